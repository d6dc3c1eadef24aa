"""Classification accuracy score: a classifier that learns only from generated images is tested on real ones."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.core.random import generator, reseed
from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.sampling import Progress
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.sides import Side

LARGEST = 32  # side above which images are scaled down
EPOCHS = 8
PEAK_RATE = 3e-3
WEIGHT_DECAY = 5e-4
_TESTED_TOGETHER = 500


@dataclass(frozen=True)
class Procedure:
    """How a classifier is trained and tested.

    Attributes:
        classes: Number of classes, at least 2.
        seed: Seed of the initial weights and of the order of the images.
        epochs: Passes over the training images.
        batch: Images in one step.
        device: Where the classifier runs.

    Raises:
        ValueError: There is a single class, no epoch, or a batch of one image.
    """

    classes: int
    seed: int
    epochs: int = EPOCHS
    batch: int = 128
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        if self.classes < 2 or self.epochs < 1 or self.batch < 2:
            raise ValueError(
                f"classes={self.classes} and batch={self.batch} must be at least 2 and epochs={self.epochs} at least 1"
            )


@dataclass(frozen=True)
class Accuracy:
    """How well a classifier does on the test images.

    Attributes:
        overall: Share of the test images that it names correctly, 0 to 1.
        classes: The same share within each class; ``None`` for a class without test images.
        trained_on: Number of training images.
        tested_on: Number of test images.
        epochs: Passes over the training images.
        size: Side at which images were seen, in pixels.
        scaled: Whether they had to be scaled down to it.
    """

    overall: float
    classes: tuple[float | None, ...]
    trained_on: int
    tested_on: int
    epochs: int
    size: int
    scaled: bool


@dataclass(frozen=True)
class AccuracyScore:
    """The classification accuracy score, and the accuracy that real training images give by the same procedure.

    Attributes:
        generated: Accuracy after training on generated images.
        real: Accuracy after training on real images.
    """

    generated: Accuracy
    real: Accuracy

    @property
    def gap(self) -> float:
        """Accuracy lost by learning from generated images instead of real ones; near 0 for a perfect generator."""
        return self.real.overall - self.generated.overall


class _Classifier(nn.Sequential):
    """Four convolutions with batch normalisation, two of them halving the size; an average; one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

        trunk = block(channels, 32, 1), nn.MaxPool2d(2), block(32, 64, 2), block(64, 64, 1), block(64, 128, 2)
        super().__init__(*trunk, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * 128, classes))


def accuracy_after(
    train: tuple[Tensor, Tensor | None],
    test: tuple[Tensor, Tensor | None],
    procedure: Procedure,
    progress: Progress | None = None,
) -> Accuracy:
    """Train a small fixed classifier on one set of labelled images and test it on another.

    AdamW on cross-entropy with one cycle of the learning rate, float32; no augmentation, no selection. Images of more
    than 32 pixels are averaged over blocks down to 32, which the result states.

    Args:
        train: Images uint8 (N, C, H, W) and labels (N,) in 0 .. classes - 1.
        test: The same for testing, of the same C, H and W.
        procedure: How to train and test.
        progress: Called with (done, total) training images, over all epochs.

    Raises:
        ValueError: Labels are missing, of another number or outside the classes; images are not uint8 or of unlike
            shapes; or there are fewer than 2 images to train on, or none to test.
    """
    classes, device = procedure.classes, procedure.device
    images, labels = _check(*train, "training", classes)
    test_images, test_labels = _check(*test, "test", classes)
    if images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"training images are {tuple(images.shape[1:])} and test images {tuple(test_images.shape[1:])}"
        )
    if len(images) < 2 or len(test_images) < 1:
        raise ValueError(f"2 images to train on and 1 to test are needed, not {len(images)} and {len(test_images)}")
    model = _fit(images, labels, procedure, progress)
    parts = torch.split(test_images, _TESTED_TOGETHER)
    verdicts = torch.cat([model(_prepare(some, device)).argmax(1).cpu() for some in parts])
    right = (verdicts == test_labels).double()
    by_class = [right[test_labels == label] for label in range(classes)]
    side = max(images.shape[2:])
    return Accuracy(
        overall=float(right.mean()),
        classes=tuple(float(some.mean()) if len(some) else None for some in by_class),
        trained_on=len(images),
        tested_on=len(test_images),
        epochs=procedure.epochs,
        size=min(side, LARGEST),
        scaled=side > LARGEST,
    )


def classification_accuracy_score(
    generated: tuple[Tensor, Tensor | None],
    real: tuple[Tensor, Tensor | None],
    test: tuple[Tensor, Tensor | None],
    procedure: Procedure,
    progress: Progress | None = None,
) -> AccuracyScore:
    """Accuracy on real test images after training on generated ones; Ravuri and Vinyals 2019 (arXiv:1905.10887).

    The paper trains a ResNet-50 on ImageNet; here it is a small fixed network, so the number is not the paper's, and it
    means something only next to ``real``: the same network, seed and number of steps on real training images. Where the
    sets differ in number, a random part of the larger one is taken, as many as the smaller has.

    Args:
        generated: Images uint8 (N, C, H, W) and the labels (N,) that they were generated for.
        real: Training images and labels of the data.
        test: Real images and labels that neither the generator nor the classifier has seen.
        procedure: How to train and test.
        progress: Called with (done, total) training images of both classifiers.

    Raises:
        ValueError: Images or labels are such as :func:`accuracy_after` refuses.
    """
    count = min(len(generated[0]), len(real[0]))

    def after(which: int, train: tuple[Tensor, Tensor | None]) -> Accuracy:
        images, labels = _check(*train, ("generated", "real training")[which], procedure.classes)
        rng = generator(procedure.seed, "accuracy score", "part", which)
        chosen = torch.randperm(len(images), generator=rng)[:count]
        cut = images[chosen.to(images.device)], labels[chosen]
        told = None if progress is None else lambda done, total: progress(which * total + done, 2 * total)
        return accuracy_after(cut, test, procedure, told)

    return AccuracyScore(after(0, generated), after(1, real))


def _check(images: Tensor, labels: Tensor | None, which: str, classes: int) -> tuple[Tensor, Tensor]:
    """Images, and labels as int64 on the CPU, if they can be learnt from."""
    if labels is None:
        raise ValueError(
            f"the {which} images have no labels: this score needs a generator of given classes and data with labels"
        )
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"the {which} images must be uint8 (N, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if labels.shape != (len(images),) or labels.is_floating_point():
        raise ValueError(
            f"{len(images)} {which} images need as many whole labels, not {labels.dtype} {tuple(labels.shape)}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"the {which} labels must lie in 0 .. {classes - 1}, not {labels.min()} .. {labels.max()}")
    return images, labels.to("cpu", torch.int64)


def _prepare(images: Tensor, device: torch.device | str) -> Tensor:
    """Images in [-1, 1], of at most 32 pixels a side."""
    x = images.to(device, torch.float32).div(127.5).sub(1)
    height, width = x.shape[2:]
    sides = min(height, LARGEST), min(width, LARGEST)
    return x if (height, width) == sides else functional.adaptive_avg_pool2d(x, sides)


def _fit(images: Tensor, labels: Tensor, procedure: Procedure, progress: Progress | None) -> nn.Module:
    """The trained classifier, in evaluation mode and frozen."""
    seed, epochs, device = procedure.seed, procedure.epochs, procedure.device
    batch = min(procedure.batch, len(images))
    with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global generator: leave it as it was
        reseed(seed, "accuracy score", device=torch.device("cpu"))
        model = _Classifier(images.shape[1], procedure.classes)
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    steps = len(images) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator(seed, "accuracy score", epoch))
        for chosen in order[: steps * batch].view(steps, batch):
            verdicts = model(_prepare(images[chosen.to(images.device)], device))
            loss = functional.cross_entropy(verdicts, labels[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if progress is not None:
            progress((epoch + 1) * len(images), epochs * len(images))
    return model.requires_grad_(False).eval()


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    held_out = context.require_held_out("cas")
    test = held_out.images
    procedure = Procedure(classes=len(real.class_names), seed=context.seed, device=context.device)
    sets = [(side.ordered_pixels(), side.labels_among(real)) for side in (fake, real, held_out)]
    found = classification_accuracy_score(sets[0], sets[1], sets[2], procedure)
    constants: dict[str, Plain] = {
        "size": found.generated.size,
        "test": test.name,
        "test_fingerprint": test.fingerprint,
    }
    return [Number("cas", found.generated.overall, {"real": found.real.overall, "gap": found.gap}, constants)]


MEASURE = Measure(
    name="cas",
    summary="accuracy on held-out images after learning from generated ones (Ravuri 2019)",
    run=_measure,
    directions={"cas": "higher"},
    constants={"epochs": EPOCHS, **DRAWN},
    published_on=None,
    needs=frozenset({"labels", "held-out"}),
)
