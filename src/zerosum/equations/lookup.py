"""Finds equations by words, as people type them: see :mod:`zerosum.equations.words` for what they call things."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from zerosum.equations.reading import Equation, equations
from zerosum.equations.words import STOP, is_inflected, mistyped, split, stem, table

AS_TYPED, AS_SYNONYM = 0, 1  # how a part of a question is found: the better way first
PREFIX = 3  # letters from which a typed word may be the beginning of a longer one
JOINED = 5  # letters of the shortest word that may be two or three in the text: "adain", "batchnorm"


@dataclass(frozen=True)
class Lookup:
    """What was found.

    Attributes:
        hits: Equations, the nearest first.
        read_as: What mistyped words were taken for, by the words as typed.
        missing: Words that nothing mentions.
        fewer: Number of hits that leaving out a word would give, by that word, where all words together have no hit.
    """

    hits: tuple[Equation, ...]
    read_as: dict[str, str]
    missing: tuple[str, ...] = ()
    fewer: tuple[tuple[str, int], ...] = ()


class _Part(NamedTuple):
    """A part of a question: words that are to be found, in one of several ways.

    Attributes:
        typed: Words as typed, all of which are to be found, in any place.
        phrases: Other names of the same thing in stems, each to be found as a phrase.
    """

    typed: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...] = ()


class _Text:
    """The words of a text, ready for questions.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        written = split(text)
        self.words = tuple(map(stem, written))
        self.single = frozenset(self.words)
        runs = [written[i : i + n] for n in (2, 3) for i in range(len(written) - n + 1)]
        # Letters are symbols: E and max side by side are not the beginning of a word.
        joined = [run for run in runs if min(map(len, run)) > 1]
        self.joined = frozenset("".join(map(stem, run)) for run in joined) | {stem("".join(run)) for run in joined}
        self.sorted, self.sorted_joined = sorted(self.single), sorted(self.joined)

    def has(self, word: str) -> bool:
        """Whether a typed word is here, or is the beginning of one that is."""
        wanted = stem(word)
        # What has lost an ending begins too many words: optimis(er) is not the beginning of optimistic.
        begins = len(wanted) >= PREFIX and not is_inflected(word)
        return self.has_stem(wanted) or (begins and self._has_beginning(wanted))

    def _has_beginning(self, wanted: str) -> bool:
        known = (self.sorted, self.sorted_joined) if len(wanted) >= JOINED else (self.sorted,)
        places = ((words, bisect_left(words, wanted)) for words in known)
        return any(place < len(words) and words[place].startswith(wanted) for words, place in places)

    def has_stem(self, wanted: str) -> bool:
        """Whether a stem is here, as one word or as several that stand side by side."""
        return wanted in self.single or (len(wanted) >= JOINED and wanted in self.joined)

    def has_phrase(self, phrase: Sequence[str]) -> bool:
        """Whether the stems of a phrase stand side by side, in any order."""
        n = len(phrase)
        if n == 1 or self.has_stem("".join(phrase)):
            return self.has_stem("".join(phrase))
        if not self.single.issuperset(phrase):
            return False
        wanted = sorted(phrase)
        return any(sorted(self.words[i : i + n]) == wanted for i in range(len(self.words) - n + 1))

    def way(self, part: _Part) -> int | None:
        """How a part is found here; ``None`` where it is not."""
        if part.typed and all(map(self.has, part.typed)):
            return AS_TYPED
        return AS_SYNONYM if any(map(self.has_phrase, part.phrases)) else None


@cache
def _texts() -> tuple[tuple[Equation, tuple[_Text, ...]], ...]:
    """All equations with their name, their name with summary, and all that is said of them."""
    return tuple(
        (e, (_Text(e.name), _Text(f"{e.name} {e.file} {e.summary}"), _Text(f"{e.name} {e.file} {e.text}")))
        for e in equations()
    )


@cache
def _vocabulary() -> tuple[str, ...]:
    """All words, as they are written, the most frequent first."""
    return tuple(word for word, _ in Counter(w for e in equations() for w in split(f"{e.name} {e.text}")).most_common())


def search(words: str) -> list[Equation]:
    """The equations that a question in words is about: those with all words in their name first, then in their summary,
    then anywhere.

    Words are compared without case, accents, endings and hyphens, in British and American spelling and in any order.
    A word may be the beginning of a longer one, a synonym or abbreviation of the field, or mistyped by one letter.
    """
    return list(look_up(words).hits)


def look_up(words: str) -> Lookup:
    """As :func:`search`, with what was made of the words."""
    typed = _split_question(words)
    read_as: dict[str, str] = {}
    missing = []
    for i, word in enumerate(typed):
        if not _is_known(word):
            near = mistyped(word, _vocabulary())
            if near:
                read_as[word] = typed[i] = near[0]
            else:
                missing.append(word)
    hits = () if missing else _hits(_parts(typed))
    if hits or missing or len(typed) < 2:
        return Lookup(hits, read_as, tuple(missing))
    fewer = [(word, len(_hits(_parts(typed[:i] + typed[i + 1 :])))) for i, word in enumerate(typed)]
    return Lookup((), read_as, (), tuple((word, count) for word, count in fewer if count))


def _split_question(words: str) -> list[str]:
    """The words of a question, but for those that say nothing. IS in capitals, or alone, is the Inception Score."""
    # No capital divides a word here: whoever types AdaIN means one thing.
    found = [(word, part) for word in words.split() for part in split(word if word.isupper() else word.lower())]
    telling = [part for word, part in found if part not in STOP or (word.isupper() and len(word) > 1)]
    return telling or [part for _, part in found]


def _is_known(word: str) -> bool:
    wanted = stem(word)
    in_table = any(wanted in name or wanted == "".join(name) for _, names in table() for name in names)
    return in_table or any(text.has(word) for _, (*_, text) in _texts())


def _parts(typed: Sequence[str]) -> list[_Part]:
    """The parts of a question: names of one thing by the table, the longest first, and the words that are left."""
    left = list(typed)
    parts = []
    for form, name in _forms():
        words = _take(form, left)
        if words:
            left = [word for word in left if word not in words]
            others = (phrase for written, names in table() if name in names for phrase in written)
            silent = form[0] in STOP and len(form) == 1  # what means something else in most texts
            parts.append(_Part(() if silent else tuple(words), tuple(dict.fromkeys(others))))
    if len(left) == 2 and any(text.has_stem("".join(map(stem, left))) for _, (*_, text) in _texts()):
        return [*parts, _Part(tuple(left), (("".join(map(stem, left)),),))]
    return [*parts, *(_Part((word,)) for word in left)]


@cache
def _forms() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Names in the table as they may be typed, in several words or run together, with the name: the longest first."""
    names = {name for _, names in table() for name in names}
    forms = {(form, name) for name in names for form in (name, ("".join(name),))}
    return tuple(sorted(forms, key=lambda pair: (-len(pair[0]), pair)))


def _take(form: Sequence[str], typed: Sequence[str]) -> list[str]:
    """The typed words whose stems make a name, in any order; none if some are not there."""
    words = [next((word for word in typed if stem(word) == wanted), "") for wanted in form]
    return words if all(words) else []


def _hits(parts: Sequence[_Part]) -> tuple[Equation, ...]:
    """The equations that have all parts: by the first text that does, then by how, then as they stand."""
    ranked = []
    for number, (equation, texts) in enumerate(_texts()):
        for tier, text in enumerate(texts):
            ways = [text.way(part) for part in parts]
            if parts and None not in ways:
                ranked.append((tier, max(way for way in ways if way is not None), number, equation))
                break
    return tuple(equation for *_, equation in sorted(ranked, key=lambda row: row[:3]))
