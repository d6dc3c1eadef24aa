"""``docs/map.svg``: the rooms of the package and which imports which, drawn from the imports themselves.

Run ``python tools/draw_map.py`` after rooms or imports have changed; a test fails while the drawing is stale. An arrow
leads from a room to one that it imports. Arrows that follow from others (a -> b -> c implies a -> c) are left out, and
so are those to the ground floor, which everything stands on.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, TARGET = ROOT / "src" / "zerosum", ROOT / "docs" / "map.svg"
# Single files that are one room together.
GROUND = ("errors", "files", "discovery", "progress", "precision", "arguments")
LISTS = ("registry", "catalogue", "equations")
# What a room is for, in the words of docs/architecture.md.
ROOMS = {
    "core": "the engine: plays any game, names no GAN",
    "objectives": "pairs of functions of logits",
    "networks": "modules from plain arguments; the protocol of critics",
    "constraints": "clipping, spectral norm",
    "penalties": "scalars of critic and points",
    "conditioning": "how labels enter networks",
    "latent": "priors, walks, directions, inversion",
    "data": "sources to batches",
    "metrics": "samples to scores",
    "theory": "exact objects",
    "systems": "what a recipe returns",
    "lists": "registry, catalogue, equations: what there is, read from pages",
    "parts": "parts by name, for `custom`",
    "recipes": "one page for each GAN",
    "folder": "what is where in a run's folder",
    "report": "a run on one page",
    "runs": "setup, loop, sampler, scoring",
    "lab": "experiments on the engine",
    "cli": "verbs",
    "ground": ", ".join(GROUND),
}
WIDTH, HEIGHT, GAP, FLOOR, MARGIN = 188, 58, 20, 112, 24  # pixels
SLOT = 4  # pixels that an arrow takes where it passes a floor


def room_of(module: str) -> str:
    """The room of a dotted module name below ``zerosum``; "" for the package's own files."""
    name = module.split(".")[0]
    return "ground" if name in GROUND else "lists" if name in LISTS else name if name in ROOMS else ""


def imports() -> dict[str, set[str]]:
    """Room -> rooms that its files import, itself and the package's own files aside."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in SOURCE.rglob("*.py"):
        room = room_of(file.relative_to(SOURCE).as_posix().removesuffix(".py").replace("/", "."))
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("zerosum"):
                continue
            inner = (node.module or "").partition(".")[2]
            for name in [inner] if inner else [alias.name for alias in node.names]:
                other = room_of(name)
                if room and other and other != room:
                    found[room].add(other)
    return {room: found[room] for room in ROOMS}


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """How high each room lies: above all that it imports.

    Raises:
        ValueError: Rooms import each other.
    """
    heights = {"ground": 0}

    def height(room: str, path: tuple[str, ...] = ()) -> int:
        if room in path:
            raise ValueError(f"rooms import each other: {' -> '.join((*path[path.index(room) :], room))}")
        if room not in heights:
            heights[room] = 1 + max((height(other, (*path, room)) for other in graph[room]), default=0)
        return heights[room]

    for room in graph:
        height(room)
    return heights


def reduced(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others, those to the ground floor aside."""

    def reach(room: str) -> set[str]:
        return graph[room].union(*(reach(other) for other in graph[room]))

    return [
        (room, other)
        for room in graph
        for other in sorted(graph[room] - {"ground"})
        if not any(other in reach(between) for between in graph[room])
    ]


def chains(graph: dict[str, set[str]], heights: dict[str, int]) -> list[list[str]]:
    """Each arrow as a chain of names, one on each floor that it passes: rooms at its ends, slots between them."""
    return [[a, *(f"{a}>{b}@{level}" for level in range(heights[a] - 1, heights[b], -1)), b] for a, b in reduced(graph)]


def arranged(rows: list[list[str]], links: list[tuple[str, str]]) -> list[list[str]]:
    """The rows, each in the order of the mean place of what its items are linked to, after some sweeps up and down."""
    near: dict[str, list[str]] = defaultdict(list)
    for a, b in links:
        near[a].append(b)
        near[b].append(a)
    for sweep in range(12):
        places = {item: k - len(row) / 2 for row in rows for k, item in enumerate(row)}
        for row in rows if sweep % 2 else rows[::-1]:
            row.sort(key=lambda item: sum(places[n] for n in near[item]) / len(near[item]) if near[item] else 0.0)
            places |= {item: k - len(row) / 2 for k, item in enumerate(row)}
    return rows


def draw() -> str:
    """The drawing."""
    graph = imports()
    heights = floors(graph)
    top = max(heights.values())
    paths = chains(graph, heights)
    level_of = heights | {item: int(item.split("@")[1]) for path in paths for item in path if "@" in item}
    items = dict.fromkeys([*(room for room in ROOMS if room != "ground"), *(i for path in paths for i in path)])
    rows = arranged(
        [[item for item in items if level_of[item] == level] for level in range(1, top + 1)],
        [link for path in paths for link in pairwise(path)],
    )
    widths = {item: SLOT if "@" in item else WIDTH for item in items}
    across = max(sum(widths[i] + GAP for i in row) for row in rows) - GAP + 2 * MARGIN
    tall = top * FLOOR + HEIGHT + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    for level, row in enumerate(rows, 1):
        left = (across - sum(widths[i] + GAP for i in row) + GAP) / 2
        for item in row:
            places[item] = (left + widths[item] / 2, MARGIN + (top - level) * FLOOR)
            left += widths[item] + GAP
    arrows = "\n".join(_arrow([places[i] for i in path], ["@" in i for i in path]) for path in paths)
    boxes = "\n".join(
        _box(room, places[room][0] - WIDTH / 2, places[room][1], WIDTH) for room in ROOMS if room in places
    )
    ground = _box("ground", MARGIN, MARGIN + top * FLOOR, across - 2 * MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:g} {tall}" font-family="sans-serif">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>\n'
        f'<rect width="{across:g}" height="{tall}" fill="#fff"/>\n{arrows}\n{boxes}\n{ground}\n</svg>\n'
    )


def _arrow(places: list[tuple[float, float]], slots: list[bool]) -> str:
    (x, y), *others = places
    y += HEIGHT
    path = f"M{x:g} {y:g}"
    for (x2, y2), slot in zip(others, slots[1:], strict=True):
        bend = (y2 - y) / 2
        path += f"C{x:g} {y + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 2 * (not slot):g}"
        x, y = x2, y2 + HEIGHT * slot
        path += f"V{y:g}" if slot else ""
    return f'<path d="{path}" fill="none" stroke="#667" stroke-opacity=".7" marker-end="url(#tip)"/>'


def _box(room: str, left: float, up: float, width: float) -> str:
    middle = left + width / 2
    lines = _wrapped(ROOMS[room], 31 if width == WIDTH else 200)
    texts = "".join(
        f'<text x="{middle:g}" y="{up + 33 + 12 * k:g}" font-size="10.5" fill="#445">{escape(line)}</text>'
        for k, line in enumerate(lines)
    )
    return (
        f'<g text-anchor="middle"><rect x="{left:g}" y="{up:g}" width="{width:g}" height="{HEIGHT}" rx="6" '
        f'fill="#f4f6fb" stroke="#557"/><text x="{middle:g}" y="{up + 18:g}" font-size="14" font-weight="600">'
        f"{room}</text>{texts}</g>"
    )


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


if __name__ == "__main__":
    TARGET.write_text(draw(), encoding="utf-8")
    print(TARGET)
