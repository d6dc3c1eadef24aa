"""Penalties: scalars added to a player's loss.

Those on the slope of a critic (:mod:`zerosum.penalties.gradient`) take a network of a game, any ``nn.Module``, or a
function. The others take tensors.
"""

from zerosum.penalties.consistency_term import consistency
from zerosum.penalties.gradient import dragan, one_sided, r1, r2, slope, two_sided, wgan_div, wgan_gp
from zerosum.penalties.information import categorical_information, gaussian_information
from zerosum.penalties.matching import feature_matching, historical
from zerosum.penalties.orthogonality import off_diagonal, orthogonal, orthogonal_regularisation
from zerosum.penalties.pulling_away_term import pulling_away

__all__ = [
    "categorical_information",
    "consistency",
    "dragan",
    "feature_matching",
    "gaussian_information",
    "historical",
    "off_diagonal",
    "one_sided",
    "orthogonal",
    "orthogonal_regularisation",
    "pulling_away",
    "r1",
    "r2",
    "slope",
    "two_sided",
    "wgan_div",
    "wgan_gp",
]


def __dir__() -> list[str]:
    return __all__
