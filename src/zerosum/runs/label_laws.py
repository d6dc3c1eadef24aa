"""The law that a run's labels follow where nobody asks for classes: written into its record, and taken from there.

So a run is sampled alike wherever its data are, and for good: runs that earlier versions made, which record no law,
keep all classes equally likely, as they were sampled then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zerosum.latent.priors import Conditional, LabelLaw, labels
from zerosum.latent.truncation import Draw
from zerosum.systems import Recipe


def condition_of(prior: Draw) -> dict[str, str]:
    """What a protocol says of the conditions that a prior draws: ``{"labels": "empirical"}``; ``{}`` without any."""
    if not isinstance(prior, Conditional):
        return {}
    law = prior.condition
    return {"labels" if isinstance(law, LabelLaw) else "conditions": law.name}


def record_of(recipe: Recipe) -> dict[str, Any]:
    """What ``run.json`` says of a recipe's labels: name and counts of their law; ``{}`` without labels."""
    prior = recipe.prior
    if not isinstance(prior, Conditional) or not isinstance(prior.condition, LabelLaw):
        return {}
    return {"labels": {"law": prior.condition.name, "counts": list(prior.condition.counts)}}


def as_recorded(recipe: Recipe, record: Mapping[str, Any]) -> Recipe:
    """The recipe with the law of labels that a run recorded; with equally likely classes if it recorded none.

    Args:
        recipe: The run's recipe.
        record: Contents of ``run.json``.
    """
    prior = recipe.prior
    if not isinstance(prior, Conditional) or not isinstance(prior.condition, LabelLaw):
        return recipe
    law = record.get("labels")
    condition = labels(len(prior.condition.counts)) if law is None else LabelLaw(law["law"], tuple(law["counts"]))
    return replace(recipe, prior=replace(prior, condition=condition))
