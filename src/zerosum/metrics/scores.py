"""Scores that were measured together: a mapping from names, which people can read and notebooks can show."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping

from zerosum.errors import nearest
from zerosum.metrics.registry import plain_names
from zerosum.metrics.score import Score


class Scores(Mapping[str, Score]):
    """Scores by name, in the order in which they were measured: ``scores["precision"].value``.

    A score bears its published name only on the features that it was published on; elsewhere it has theirs in its
    name, such as ``fd_shipped``. It is found under its plain name, ``scores["fid"]``, as well.

    Args:
        scores: The scores; of several with one name the last counts.
    """

    def __init__(self, scores: Iterable[Score] = ()) -> None:
        self._scores = {score.name: score for score in scores}
        self._plain = {plain: name for name, score in self._scores.items() for plain in plain_names(score)}

    def __getitem__(self, name: str) -> Score:
        """The score of this name, or of this plain name.

        Raises:
            KeyError: There is none; the message names the nearest and all that there are.
        """
        found = self._scores.get(name) or self._scores.get(self._plain.get(name, ""))
        if found is None:
            listed = ", ".join(self._scores) or "none"
            raise KeyError(f"there is no score {name!r}.{nearest(name, self._scores)} Scores: {listed}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        return "\n".join(score.short() for score in self._scores.values()) or "no scores"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        rows = "".join(f"<tr>{_cells(score)}</tr>" for score in self._scores.values())
        return f"<table><tr><th>score</th><th>value</th><th>measured on</th></tr>{rows}</table>"

    def to_json(self) -> str:
        """One JSON document, ``{"scores": [...]}``; each entry is what :meth:`.Score.from_json` reads."""
        return json.dumps({"scores": [json.loads(score.to_json()) for score in self._scores.values()]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Scores:
        """The scores that :meth:`to_json` wrote.

        Raises:
            ValueError: The text is something else.
        """
        parts = json.loads(text)
        if not isinstance(parts, dict) or not isinstance(parts.get("scores"), list):
            raise ValueError("not scores: expected a JSON object with the key 'scores'")
        return cls(Score.from_json(json.dumps(part)) for part in parts["scores"])


def _cells(score: Score) -> str:
    """The cells of a score: its name, its value with what stands beside it, and its protocol."""
    head, _, protocol = score.short().removeprefix(f"{score.name} ").partition(" (")
    details = "".join(f"{name}: {value:.6g}\n" for name, value in score.details.items())
    words = score.name, head, protocol.removesuffix(")")
    name, value, measured = (html.escape(word) for word in words)
    return f'<td>{name}</td><td title="{html.escape(details)}">{value}</td><td>{measured}</td>'
