"""What people call things: spellings, endings, synonyms and abbreviations, so that a search finds what is meant.

:data:`SYNONYMS` is the only table. Everything else here works on single words and knows nothing of what is searched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple


class Synonyms(NamedTuple):
    """Names of one thing, each several words or one, in any spelling and any order of the words.

    Attributes:
        written: Names that code and docstrings use, which are looked for.
        typed: Further names that people type, which are not looked for, because elsewhere they mean something else or
            nothing.
    """

    written: tuple[str, ...]
    typed: tuple[str, ...] = ()


SYNONYMS = (
    # Distances and divergences
    Synonyms(
        ("earth mover", "Wasserstein-1", "W1", "Kantorovich"),
        ("EMD", "earth mover's distance", "earth mover distance", "optimal transport", "OT", "1-Wasserstein"),
    ),
    Synonyms(("Wasserstein-2", "squared Wasserstein"), ("W2", "2-Wasserstein")),
    Synonyms(("Jensen-Shannon", "JSD"), ("JS", "JS divergence")),
    Synonyms(
        ("KL", "Kullback"), ("KLD", "Kullback-Leibler", "relative entropy", "KL divergence", "K-L", "K-L divergence")
    ),
    Synonyms(("reverse KL", "KL(q||p)"), ("RKL", "exclusive KL", "mode seeking")),
    Synonyms(("MMD", "maximum mean discrepancy", "kernel distance"), ("kernel two-sample",)),
    Synonyms(("f-divergence",), ("phi divergence",)),
    # Measures
    Synonyms(("Fréchet distance", "FID"), ("Fréchet", "FD", "Fréchet inception distance")),
    Synonyms(("Inception Score",), ("IS",)),
    Synonyms(("KID", "kernel distance"), ("kernel inception distance",)),
    Synonyms(("path length", "perceptual path"), ("PPL", "perceptual path length")),
    Synonyms(("MS-SSIM", "structural similarity"), ("SSIM", "multi-scale structural similarity")),
    Synonyms(("sliced distance", "sliced Wasserstein"), ("SWD",)),
    Synonyms(("two-sample test",), ("C2ST", "two-sample")),
    Synonyms(("classification accuracy score",), ("CAS",)),
    Synonyms(("precision and recall", "precision recall"), ("P&R", "PRDC", "IPR", "precision", "recall")),
    Synonyms(("density and coverage", "density coverage"), ("coverage", "PRDC")),
    Synonyms(("memorisation", "copying"), ("overfitting", "copied data", "nearest-neighbour test")),
    Synonyms(("modes covered", "covered modes", "mode collapse"), ("mode dropping", "missing modes", "mode coverage")),
    # What steadies the game
    Synonyms(("gradient penalty", "WGAN-GP", "two-sided"), ("GP", "gradient norm penalty", "penalise gradient")),
    Synonyms(("one-sided", "WGAN-LP"), ("Lipschitz penalty", "LP")),
    Synonyms(("r1",), ("R1 penalty", "R1 regularisation", "zero-centred gradient penalty", "zero-centered penalty")),
    Synonyms(("spectral norm", "spectral normalisation", "SNGAN"), ("SN",)),
    Synonyms(("power iteration",), ("power method",)),
    Synonyms(("clip", "weight clipping"), ("weight clip",)),
    Synonyms(("one-sided label smoothing", "label smoothing", "smoothed"), ("soft labels",)),
    Synonyms(("instance noise",), ("input noise", "noisy inputs")),
    Synonyms(("two learning rates", "two time scales"), ("TTUR", "two time-scale update rule", "two timescale")),
    Synonyms(
        ("running average", "exponential average", "moving average"), ("EMA", "Polyak averaging", "weight averaging")
    ),
    Synonyms(("historical averaging", "historical"), ("history averaging",)),
    Synonyms(("minibatch discrimination", "minibatch features"), ("MBD", "batch discrimination")),
    Synonyms(("feature matching",), ("FM",)),
    Synonyms(("pulling-away", "EBGAN-PT"), ("PT", "repelling regulariser")),
    Synonyms(("consistency", "CT-GAN"), ("consistency regularisation",)),
    Synonyms(("orthogonal regularisation", "orthogonal"), ("ortho reg", "orthogonality")),
    Synonyms(("truncation trick", "truncation", "truncated"), ("truncated normal",)),
    # Layers and labels
    Synonyms(("batch norm", "batch normalisation"), ("BN",)),
    Synonyms(("virtual batch norm", "virtual batch normalisation", "reference batch"), ("VBN",)),
    Synonyms(("layer norm", "layer normalisation"), ("LN",)),
    Synonyms(("weight norm", "weight normalisation"), ("WN",)),
    Synonyms(("conditional batch norm", "conditional batch normalisation", "class batch norm"), ("CBN",)),
    Synonyms(("AdaIN", "adaptive instance normalisation", "adain"), ("adaptive instance norm",)),
    Synonyms(("self-attention", "attention"), ("non-local",)),
    Synonyms(("auxiliary classifier", "AC-GAN"), ("aux classifier",)),
    Synonyms(("conditional GAN", "cgan"), ("conditional",)),
    Synonyms(("projection discriminator",), ("projection critic", "PD-GAN")),
    Synonyms(("transposed convolution",), ("deconvolution", "fractionally strided convolution")),
    # Games and systems
    Synonyms(("critic", "discriminator")),
    Synonyms(("latent",), ("latent code", "latent vector", "z vector")),
    Synonyms(("norm", "normalisation")),
    Synonyms(("relativistic",), ("RGAN", "RaGAN", "relativistic average")),
    Synonyms(("non-saturating", "NS-GAN"), ("NSGAN", "log D trick", "non-saturated")),
    Synonyms(("minimax",), ("min-max", "saturating loss", "zero-sum loss")),
    Synonyms(("least squares", "LSGAN"), ("MSE loss", "L2 GAN", "LS-GAN loss")),
    Synonyms(("hinge",), ("margin loss",)),
    Synonyms(("VAE", "variational autoencoder"), ("ELBO", "evidence lower bound", "auto-encoding variational Bayes")),
    Synonyms(("unrolled",), ("unrolling", "lookahead critic")),
    Synonyms(("duality gap",), ("exploitability",)),
    Synonyms(("Nash", "equilibrium"), ("Nash equilibrium",)),
    Synonyms(("slerp", "spherical"), ("spherical interpolation", "spherical linear interpolation")),
    Synonyms(("linear classifier", "semi-supervised"), ("SSL", "semi-supervised learning")),
    Synonyms(("energy-based", "EBGAN"), ("EBM", "autoencoder GAN")),
    Synonyms(("optimistic",), ("OMD", "OGDA", "optimistic mirror descent")),
    Synonyms(("extragradient",), ("extra-gradient", "EG")),
    Synonyms(("He et al. 2015", "he_normal"), ("Kaiming", "He initialisation", "Kaiming initialisation")),
    Synonyms(("Glorot",), ("Xavier", "Xavier initialisation")),
)
# Words that say nothing about what is looked for, unless they are all that was typed.
STOP = frozenset(
    "a|an|and|are|at|by|for|from|how|in|is|it|of|on|or|that|the|this|to|was|what|where|which|with".split("|")  # noqa: SIM905
)
_UNACCENTED = str.maketrans({"ø": "o", "ł": "l", "æ": "ae", "ß": "ss", "đ": "d"})
_WORD = re.compile(r"[^\W_]+")
_OUR = re.compile(r"(?<=[a-z]{2})our(?=$|s$|ed$|ing$|al$|ite)")
_ENDINGS = re.compile(r"(?:ations?|at(?:e[ds]?|ing)|ing|ness|ed|e)$")
_KEPT = {"four", "hour", "hours", "your", "tour", "pour", "sour"}  # not the British form of anything
_LEAST = 3  # letters of the least stem, and of the least word that may begin a longer one
_LEAST_MISTYPED = 4  # letters of the shortest word that may be a typing mistake: almost all three-letter words are near


def split(text: str) -> list[str]:
    """The words of a text in small letters, without accents: ``"Fréchet's-D(x)"`` gives frechet, d and x.

    A word in which a capital follows a small letter is two: ``"AdaIN"`` gives ada and in.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = re.sub(r"[’']s\b", "", plain)
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return _WORD.findall(plain.lower().translate(_UNACCENTED))


def _respell(word: str) -> str:
    """A word in British spelling, in the singular."""
    word = word.replace("iz", "is").replace("yz", "ys")
    if word not in _KEPT:
        word = _OUR.sub("or", word)
    word = re.sub(r"(?<=[a-z]{3})tre(?=s?$)", "ter", re.sub(r"^gray", "grey", word))
    word = re.sub(r"(?<=[aeiou])ll(?=ed$|ing$|er)", "l", word)
    if word.endswith("ies") and len(word) > _LEAST + 1:
        return word[:-3] + "y"
    if re.search(r"(?:ss|x|ch|sh)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@cache
def stem(word: str) -> str:
    """A word without its ending, in British spelling: normalized, normalisation and normaliser give normalis."""
    if len(word) <= _LEAST or any(c.isdigit() for c in word):
        return word
    word = _respell(word)
    if word.endswith(("iser", "isation")):
        return re.sub(r"(?:er|ation)$", "", word)
    shorter = _ENDINGS.sub("", word)
    return re.sub(r"([bdgmnprt])\1$", r"\1", shorter) if len(shorter) >= _LEAST else word


@cache
def is_inflected(word: str) -> bool:
    """Whether :func:`stem` takes more from a word than the ending of a plural or a silent e."""
    return len(word) > _LEAST and len(stem(word)) < len(_respell(word).removesuffix("e"))


def stems(text: str) -> tuple[str, ...]:
    """The stems of a text's words, in their order."""
    return tuple(map(stem, split(text)))


@cache
def table() -> tuple[tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]], ...]:
    """:data:`SYNONYMS` as stems: for each row what is looked for, and all that may be typed."""
    return tuple((tuple(map(stems, row.written)), tuple(map(stems, (*row.written, *row.typed)))) for row in SYNONYMS)


def is_near(a: str, b: str) -> bool:
    """Whether two words differ by one letter (missing, added or wrong), or by two neighbours that changed places."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return a == b
    start = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), min(len(a), len(b)))
    x, y = a[start:], b[start:]
    return x[1:] == y or x == y[1:] or x[1:] == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])


def mistyped(word: str, known: Iterable[str]) -> list[str]:
    """Those of the known words that a word may have been meant to be; see :func:`is_near`.

    Args:
        word: Word that was typed, which is not known itself.
        known: Words that there are, the likeliest first.

    Returns:
        Those words, of which those with the same first letter come first.
    """
    if len(word) < _LEAST_MISTYPED:
        return []
    near = [other for other in known if len(other) >= _LEAST_MISTYPED and is_near(word, other)]
    return sorted(near, key=lambda other: other[0] != word[0])
