"""A score and the protocol that it was measured under; one without the other is not a result."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Plain = str | int | float | bool | None

# A seed says which repetition this was, not what was measured, and what was scored is what a comparison is about. The
# library's version is recorded for the reader; a change of method that moves the numbers must raise PROTOCOL, which
# does separate scores. How the reference was read, and its size, are in its fingerprint. The options are told once more
# in one text for people, and the batch size moves nothing but the last digits of features.
SCORED = ("sample", "sample_path", "sample_fingerprint", "sample_decoding")  # facts that say what was scored
_READ = ("image_shape", "reference_decoding", "options", "batch_size")
_NOT_COMPARED = frozenset({"seed", "zerosum", *SCORED, *_READ})
PROTOCOL = 1


@dataclass(frozen=True)
class Score:
    """One measured number.

    Attributes:
        name: Name of what was measured, such as ``"fd_fashion"``.
        value: The number.
        protocol: What was measured (``sample``, ``sample_path``, ``sample_fingerprint``) and how: features and their
            hash, reference and its fingerprint and count, number of samples, seed, split,
            and whatever else moves the number. There are only plain values, so that it can be
            written and compared.
        details: Numbers that explain the value, such as the share of each class.

    Raises:
        TypeError: The protocol holds something other than plain values.
    """

    name: str
    value: float
    protocol: Mapping[str, Plain]
    details: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in self.protocol.items():
            if not isinstance(value, Plain):
                raise TypeError(f"protocol[{key!r}] must be text, number, truth value or None, not {type(value)}")
        # Copies: a score that is kept must not change when its maker's dict does.
        object.__setattr__(self, "protocol", dict(self.protocol))
        object.__setattr__(self, "details", dict(self.details))

    def __hash__(self) -> int:
        return hash((self.name, self.value, frozenset(self.protocol.items())))

    def short(self) -> str:
        """One line for people: name, value, and what it was measured against.

        A floor, or the largest possible count (``of`` in the protocol), stands beside the value:
        ``fd_fashion 5.31, floor 0.04 (5,000 generated vs 5,000 of fashion-mini, features 3fa2c4d5e6f7, seed 0)``.
        """
        known = self.protocol
        beside = f", floor {_format_number(self.details['floor'])}" if "floor" in self.details else ""
        beside += f" of {known['of']}" if "of" in known else ""
        versus = []
        if "samples" in known:
            versus.append(f"{known['samples']:,} {known.get('sample_kind', 'generated')}")
        if "reference" in known:
            count = known.get("reference_count")
            versus.append(f"{count:,} of {known['reference']}" if count is not None else str(known["reference"]))
        parts = [" vs ".join(versus)] if versus else []
        if "features_hash" in known:
            parts.append(f"features {str(known['features_hash'])[:12]}")
        if "options" in known:
            parts.append(str(known["options"]))
        if "seed" in known:
            parts.append(f"seed {known['seed']}")
        protocol = f" ({', '.join(parts)})" if parts else ""
        return f"{self.name} {_format_number(self.value)}{beside}{protocol}"

    def to_json(self) -> str:
        """The score as one JSON object, on one line.

        JSON knows no infinity and no NaN: such a value or detail is written as the text ``"inf"``, ``"-inf"`` or
        ``"nan"``, which ``float`` and :meth:`from_json` read.

        Raises:
            ValueError: A number of the protocol is not finite.
        """
        details = {name: _storable(value) for name, value in self.details.items()}
        parts = {"name": self.name, "value": _storable(self.value), "protocol": dict(self.protocol), "details": details}
        return json.dumps(parts, allow_nan=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Score":
        """The score that :meth:`to_json` wrote.

        Raises:
            ValueError: The text is not a JSON object with exactly the keys of a score.
        """
        parts: Any = json.loads(text)
        wanted = {"name", "value", "protocol", "details"}
        if not isinstance(parts, dict) or set(parts) != wanted:
            raise ValueError(f"not a score: expected a JSON object with the keys {sorted(wanted)}")
        details = {name: _number(value) for name, value in parts["details"].items()}
        return cls(str(parts["name"]), float(parts["value"]), parts["protocol"], details)


def _storable(value: float) -> float | str:
    """A number that JSON can hold, or the text that stands for it."""
    return value if math.isfinite(value) else str(float(value))


def _number(value: float | str) -> float:
    """What :func:`_storable` wrote: whole numbers stay whole."""
    return float(value) if isinstance(value, str) else value


def column_of(score: Mapping[str, Any]) -> str:
    """The column in which a stored score stands: its name, with options that depart from the published ones.

    Args:
        score: A score as :meth:`Score.to_json` writes it.
    """
    options = dict(score.get("protocol") or {}).get("options")
    return f"{score['name']} ({options})" if options else str(score["name"])


def extend_protocol(protocol: Mapping[str, Plain], extra: Mapping[str, Plain]) -> dict[str, Plain]:
    """A protocol with further facts.

    Args:
        protocol: What is known of a score.
        extra: Further facts.

    Raises:
        ValueError: A further fact would overwrite one that is known.
    """
    clash = sorted(set(protocol) & set(extra))
    if clash:
        raise ValueError(f"the protocol already states {', '.join(clash)}: extra facts cannot replace it")
    return {**protocol, **extra}


def _format_number(value: float) -> str:
    """Write whole numbers as such, and others with at least three significant digits, plainly down to 1e-4."""
    if not math.isfinite(value) or value == int(value):
        return f"{value:,.0f}" if math.isfinite(value) else f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}" if digits <= 6 else f"{value:.3g}"


def differences(a: Score, b: Score) -> dict[str, tuple[Plain, Plain]]:
    """Where two scores were not measured alike: field -> (value in ``a``, value in ``b``); empty if comparable.

    The seed says which repetition it was, the sample what was scored, and the library's version is for the record: none
    of them counts. A field that
    only one of them has counts as ``None`` in the other.
    """
    found: dict[str, tuple[Plain, Plain]] = {} if a.name == b.name else {"name": (a.name, b.name)}
    for key in sorted((set(a.protocol) | set(b.protocol)) - _NOT_COMPARED):
        pair = a.protocol.get(key), b.protocol.get(key)
        if pair[0] != pair[1]:
            found[key] = pair
    return found


def comparable(a: Score, b: Score) -> bool:
    """Whether two scores may stand side by side: they have the same name and, but for the seed, the same protocol."""
    return not differences(a, b)


def require_comparable(a: Score, b: Score) -> None:
    """Refuse a comparison of unlike scores.

    Raises:
        ValueError: The scores are unlike; the message names every field of the protocol that differs, with both values.
    """
    found = differences(a, b)
    if found:
        listed = "; ".join(f"{key}: {ours!r} against {theirs!r}" for key, (ours, theirs) in found.items())
        raise ValueError(f"scores measured under different protocols cannot be compared: {listed}")
