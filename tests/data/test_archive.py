import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zerosum.data import DataError, Images
from zerosum.data import archive as archiving

Png = Callable[..., bytes]
Load = Callable[..., Images]


@pytest.fixture
def load(load_images: Load) -> Load:
    """``load(path, **options)``: the images at a path, 8 x 8 unless asked otherwise."""
    return lambda path, **options: load_images(f"zip:{path}", **{"size": 8, **options})


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_a_folder_is_that_folder(
    folder: Path, tmp_path: Path, method: int, load: Load, load_images: Load
) -> None:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
    plain = load_images(f"folder:{folder}", size=8)
    assert load(pack(tmp_path / "a.zip", files, method)).fingerprint == plain.fingerprint
    wrapped = {f"pets/{name}": content for name, content in files.items()} | {"__MACOSX/pets/cat/1.png": b"x"}
    data = load(pack(tmp_path / "b.zip", wrapped, method))
    assert data.fingerprint == plain.fingerprint
    assert data.notes == ("1 file that is hidden or not an image was ignored (1 hidden)",)


def test_another_archive_of_the_same_name_is_decoded_anew(tmp_path: Path, png: Png, load: Load) -> None:
    first = load(pack(tmp_path / "a.zip", {"1.png": png(seed=1)})).fingerprint
    assert load(pack(tmp_path / "a.zip", {"1.png": png(seed=2)})).fingerprint != first


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "..\\evil.png"])
def test_names_that_lead_out_refuse_the_whole_archive(tmp_path: Path, png: Png, name: str, load: Load) -> None:
    path = pack(tmp_path / "a.zip", {"good.png": png(), name: png()})
    with pytest.raises(DataError, match=r"refused because of its member .*evil.*leads out") as caught:
        load(path)
    assert repr(name) in str(caught.value)


def test_names_with_dots_are_no_crime(tmp_path: Path, png: Png, load: Load) -> None:
    assert (
        load(pack(tmp_path / "a.zip", {"a..b.png": png(), "x...png": png(seed=1), "./c.png": png(seed=2)})).count == 3
    )


def test_symbolic_links_refuse_the_whole_archive(tmp_path: Path, png: Png, load: Load) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", png())
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"'link\.png': it is a symbolic link"):
        load(tmp_path / "a.zip")


def test_encrypted_members_are_named(tmp_path: Path, png: Png, load: Load) -> None:
    content = bytearray(pack(tmp_path / "a.zip", {"secret.png": png()}).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"'secret\.png': it is encrypted"):
        load(tmp_path / "a.zip")


def test_a_member_that_unpacks_to_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    monkeypatch.setattr(archiving, "MAX_MEMBER", 1 << 20)
    path = pack(tmp_path / "a.zip", {"bomb.bmp": bytes(2 << 20), "huge.txt": bytes(2 << 20)})
    assert path.stat().st_size < 1 << 14
    with pytest.raises(DataError, match=r"'bomb\.bmp': it unpacks to 2,097,152 bytes"):
        load(path)


@pytest.mark.parametrize(("declared", "damaged"), [(10, True), (300, False)])
def test_a_member_that_lies_about_its_size_is_read_no_further(
    tmp_path: Path, png: Png, declared: int, damaged: bool, load: Load
) -> None:
    true = png()
    content = bytearray(pack(tmp_path / "a.zip", {"liar.png": true, "z.png": png(seed=1)}).read_bytes())
    assert len(true) not in (10, 300)
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = declared.to_bytes(4, "little")  # uncompressed size in the directory
    (tmp_path / "a.zip").write_bytes(content)
    data = load(tmp_path / "a.zip")
    # One that declares less is cut there and fails its checksum; one that declares more simply ends where it ends.
    assert data.count == 2 - damaged
    assert [note for note in data.notes if "liar.png: " in note] == list(data.notes)
    assert len(data.notes) == damaged


def test_a_damaged_member_is_skipped_and_named(tmp_path: Path, png: Png, load: Load) -> None:
    content = bytearray(
        pack(tmp_path / "a.zip", {"a.png": png(), "b.png": png(seed=1)}, zipfile.ZIP_STORED).read_bytes()
    )
    content[60] ^= 255  # within the first member
    (tmp_path / "a.zip").write_bytes(content)
    data = load(tmp_path / "a.zip")
    assert data.count == 1
    assert "a.png: Bad CRC-32" in data.notes[0]
    with pytest.raises(DataError, match=r"strict refuses that\. a\.png"):
        load(tmp_path / "a.zip", strict=True)


def test_two_members_of_one_name_are_refused(tmp_path: Path, png: Png, load: Load) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", png(seed=1))
    with pytest.raises(DataError, match="1 members bear a name that another has too"):
        load(tmp_path / "a.zip")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and then nothing", b"Rar!\x1a\x07\x00"])
def test_other_files_are_not_zip_files(tmp_path: Path, content: bytes, load: Load) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="is not a zip file"):
        load(tmp_path / "a.zip")


def test_a_zip_cut_short_is_told(tmp_path: Path, png: Png, load: Load) -> None:
    content = pack(tmp_path / "a.zip", {"a.png": png()}).read_bytes()
    (tmp_path / "a.zip").write_bytes(content[:-30])
    with pytest.raises(DataError, match="not a zip file, or is cut short"):
        load(tmp_path / "a.zip")


def test_folders_missing_files_and_empty_archives(tmp_path: Path, load: Load) -> None:
    with pytest.raises(DataError, match=r"is a folder\. Write folder:"):
        load(tmp_path)
    pack(tmp_path / "photos.zip", {"README.txt": b"x"})
    with pytest.raises(DataError, match="holds no images, only 1 other"):
        load(tmp_path / "photos.zip")
    with pytest.raises(DataError, match=r"Did you mean 'photos\.zip'"):
        load(tmp_path / "photo.zip")


def test_nothing_is_extracted(tmp_path: Path, png: Png, monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "extract", lambda *_: pytest.fail("extracted"))
    monkeypatch.setattr(zipfile.ZipFile, "_extract_member", lambda *_: pytest.fail("extracted"))
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    assert load(pack(tmp_path / "a.zip", {"a.png": png(), "b.npy": out.getvalue()})).count == 1
