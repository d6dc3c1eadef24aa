"""``fd_dinov2``: the Fréchet distance on DINOv2's features, which agrees with people better than Inception's.

Stein, Cresswell, Hosseinzadeh, Sui, Ross, Villecroze, Liu, Caterini, Taylor and Loaiza-Ganem 2023, "Exposing flaws of
generative model evaluation metrics and their unfair treatment of diffusion models" (arXiv:2306.04675). Image by image:
see ``features/dinov2.py``.
"""

from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.sides import Side


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return [Number("fd_dinov2", frechet_distance(fake.moments, real.moments))]


MEASURE = Measure(
    name="fd_dinov2",
    summary="Fréchet distance on DINOv2's features (Stein 2023)",
    run=_measure,
    directions={"fd_dinov2": "lower"},
    features="dinov2",
    published_on=None,
)
