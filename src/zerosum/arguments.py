"""What the arguments of recipes mean, once for all of them: one name has one meaning everywhere.

A page's own ``Args:`` section says what is special to it, and either adds to a text here or speaks of a name that no
other page has.
"""

from __future__ import annotations

import re

TEXTS = {
    "data": "Data to learn.",
    "latent": "Dimension of the latent z.",
    "width": "Unit of channels: of the generator's last hidden layer and of the critic's first.",
    "g_width": "Unit of channels of the generator.",
    "d_width": "Unit of channels of the critic.",
    "kernel": "Side of the convolutions' kernels, in pixels.",
    "lr": "Learning rate of both players.",
    "g_lr": "Learning rate of the generator.",
    "d_lr": "Learning rate of the critic.",
    "beta1": "Momentum of Adam.",
    "beta2": "Decay of Adam's mean of squares.",
    "decay_after": "Update from which the learning rate falls in a straight line to 0 at the last one. None: it stays.",
    "n_critic": "Critic updates per generator update.",
    "penalty_weight": "Weight of the penalty.",
    "dropout": "Share of the critic's units that are dropped.",
    "c": "Bound to which every weight of the critic is clipped: [-c, c].",
    "recompute": "Whether to keep less for the backward pass and compute each block twice.",
    "batch_size": "Real samples per update.",
    "steps": "Generator updates in all.",
}
# Names that arguments had in earlier versions, for all recipes; a page may add its own as RENAMED.
RENAMED = {"k": "n_critic", "lr_g": "g_lr", "lr_d": "d_lr"}


def documented(docstring: str) -> dict[str, str]:
    """What the ``Args:`` or ``Attributes:`` section of a docstring says of each name, on one line each."""
    section = re.search(r"^\s*(?:Args|Attributes):\n(.*?)(?:\n\s*\n|\Z)", docstring, re.S | re.M)
    texts: dict[str, str] = {}
    last = ""
    for line in (section.group(1) if section else "").splitlines():
        entry = re.match(r"\s*(\w+): (.*)", line)
        if entry:
            last = entry.group(1)
            texts[last] = entry.group(2)
        elif last:
            texts[last] = f"{texts[last]} {line.strip()}".strip()
    return texts


def texts_of(docstring: str) -> dict[str, str]:
    """What each argument of a recipe means: the common texts, and what the page's own docstring says instead."""
    return TEXTS | documented(docstring)
