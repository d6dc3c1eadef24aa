import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.data import DataError, Images


def numbered(count: int, side: int = 2, channels: int = 3) -> Images:
    """Image i holds i in every pixel of channel 0 and other numbers elsewhere; its label is i."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    pixels[..., 0] = np.arange(count, dtype=np.uint8)[:, None, None]
    return Images.of(pixels, np.arange(count, dtype=np.int64), name="numbered", classes=[str(i) for i in range(count)])


def labels_of(data: Images, k: int, size: int, **where: int) -> list[int]:
    _, y = data.batch(k, size, seed=3, **where)
    assert y is not None
    return y.tolist()


@given(count=st.integers(1, 120), size=st.integers(1, 12), world=st.integers(1, 4), epoch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_an_epoch_visits_each_image_at_most_once_over_all_ranks(count: int, size: int, world: int, epoch: int) -> None:
    data = numbered(count)
    if count < size * world:
        with pytest.raises(DataError, match=rf"{count} images, fewer than one batch of {size * world}"):
            data.batch(0, size, seed=3, world=world)
        return
    steps = count // (size * world)
    seen = [
        i
        for k in range(epoch * steps, (epoch + 1) * steps)
        for rank in range(world)
        for i in labels_of(data, k, size, rank=rank, world=world)
    ]
    assert len(seen) == len(set(seen)) == steps * size * world
    assert set(seen) <= set(range(count))
    if count % (size * world) == 0:
        assert set(seen) == set(range(count))


@given(world=st.sampled_from([1, 2, 3, 4, 6, 12]), k=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_every_split_into_ranks_sees_the_same_global_batches(world: int, k: int) -> None:
    data = numbered(50)
    together = [i for rank in range(world) for i in labels_of(data, k, 12 // world, rank=rank, world=world)]
    assert together == labels_of(data, k, 12)


@given(st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_batches_do_not_depend_on_what_was_asked_before(order: list[int]) -> None:
    data, fresh = numbered(40), {k: labels_of(numbered(40), k, 8) for k in range(12)}
    assert {k: labels_of(data, k, 8) for k in order} == fresh


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    data = numbered(200)
    first, second = labels_of(data, 0, 200), labels_of(data, 1, 200)
    assert first != second
    assert first != list(range(200))
    other = data.batch(0, 200, seed=4)[1]
    assert other is not None
    assert other.tolist() != first


@pytest.mark.parametrize("channels", [1, 3])
def test_values_layout_and_strides(channels: int) -> None:
    data = numbered(256, side=4, channels=channels)
    x, y = data.batch(0, 256, seed=0)
    assert y is not None
    assert (x.dtype, x.shape, y.dtype) == (torch.float32, (256, channels, 4, 4), torch.int64)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = np.moveaxis(data.pixels[y.numpy()].astype(np.float64), -1, 1) * 2 / 255 - 1
    np.testing.assert_allclose(x.numpy(), expected, atol=2e-7)
    assert x.min() == -1.0
    assert x.max() == 1.0  # exactly: metrics map back to 0..255


def test_a_batch_is_the_caller_s_to_change() -> None:
    data = numbered(8)
    x, y = data.batch(0, 8, seed=0)
    assert y is not None
    before = data.pixels.copy(), x.clone(), y.clone()
    x.zero_()
    y.zero_()
    np.testing.assert_array_equal(data.pixels, before[0])
    assert torch.equal(data.batch(0, 8, seed=0)[0], before[1])
    assert torch.equal(data.batch(0, 8, seed=0)[1], before[2])  # type: ignore[arg-type]


def test_unlabelled_images_have_no_y() -> None:
    data = Images.of(np.zeros((4, 2, 2, 1), np.uint8), name="x")
    assert data.batch(0, 4, seed=0)[1] is None
    assert data.classes == ()


def test_memory_map_and_array_give_the_same_batches(tmp_path, recwarn) -> None:
    data = numbered(32)
    np.save(tmp_path / "x.npy", data.pixels)
    mapped = Images.of(np.load(tmp_path / "x.npy", mmap_mode="c"), data.labels, name="m", classes=data.classes)
    assert torch.equal(mapped.batch(5, 8, seed=1)[0], data.batch(5, 8, seed=1)[0])
    assert mapped.fingerprint == data.fingerprint
    assert not recwarn.list  # torch warns about read-only arrays


def test_the_fingerprint_tells_pixels_labels_and_classes_apart() -> None:
    pixels = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)
    labels = np.array([0, 1])
    variants = [
        Images.of(pixels, labels, name="x", classes=("a", "b")),
        Images.of(pixels, labels, name="x", classes=("a", "c")),
        Images.of(pixels, 1 - labels, name="x", classes=("a", "b")),
        Images.of(pixels, name="x"),
        Images.of(pixels.reshape(2, 2, 8, 1), name="x"),
        Images.of(255 - pixels, name="x"),
    ]
    assert len({data.fingerprint for data in variants}) == len(variants)
    assert Images.of(pixels.copy(), name="another name").fingerprint == variants[3].fingerprint


@pytest.mark.parametrize("count", [2, 3, 50, 51])
def test_halves_are_disjoint_equal_and_always_the_same(count: int) -> None:
    data = numbered(count)
    first, second = data.split_halves()
    a, b = set(first.labels.tolist()), set(second.labels.tolist())  # type: ignore[union-attr]
    assert len(a) == len(b) == count // 2
    assert not a & b
    np.testing.assert_array_equal(first.pixels[:, 0, 0, 0], first.labels)
    assert data.split_halves()[0].fingerprint == first.fingerprint
    if count >= 50:
        assert a != set(range(count // 2))


def test_one_image_has_no_halves() -> None:
    with pytest.raises(DataError, match="two are needed"):
        numbered(1).split_halves()


@pytest.mark.parametrize("bad", [{"k": -1}, {"size": 0}, {"rank": 1}, {"rank": -1}, {"world": 0}])
def test_impossible_batches_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="needs k >= 0"):
        numbered(8).batch(**{"k": 0, "size": 2, "seed": 0, **bad})


def test_it_travels_to_other_processes_without_its_device_copies() -> None:
    data = numbered(8)
    before = len(pickle.dumps(data))
    data.batch(0, 8, seed=0)
    assert len(pickle.dumps(data)) == before
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again.batch(0, 8, seed=0)[0], data.batch(0, 8, seed=0)[0])
    assert again == data


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
def test_a_gpu_gets_the_batches_of_the_cpu(resident: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.data.images._fits", lambda nbytes, device: resident)
    data = numbered(64)
    for k in (0, 3, 9):
        (x, y), (gx, gy) = data.batch(k, 16, seed=2), data.batch(k, 16, seed=2, device="cuda")
        assert gx.device.type == "cuda"
        assert gx.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(gx.cpu(), x)
        assert torch.equal(gy.cpu(), y)


@pytest.mark.gpu
def test_a_set_larger_than_the_free_memory_stays_on_the_host() -> None:
    from zerosum.data.images import _fits

    _, total = torch.cuda.mem_get_info()
    assert _fits(1, torch.device("cuda"))
    assert not _fits(total, torch.device("cuda"))
