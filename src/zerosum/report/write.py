"""``report.html``: a run on one self-contained page, written from the files in its folder, without torch."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from zerosum.files import write_text
from zerosum.report import alarms, scores, spectra
from zerosum.report.chart import Line, chart
from zerosum.report.page import duration, image, moment, number, page, section, summarise, table
from zerosum.report.read import Story, read

REFRESH = 60  # seconds after which a browser reads the page of a run in training again

if TYPE_CHECKING:
    from zerosum.folder import RunFolder


def write_report(folder: RunFolder, *, over: bool = False) -> None:
    """Write the page of a run, whole or not at all. While the run goes on, browsers read it again every minute.

    Args:
        folder: Folder of the run.
        over: Whether the caller knows that nobody trains the run any more, however that ended.

    Raises:
        UsageError: The folder is not that of a run.
        CheckpointError: Its ``run.json`` is damaged.
        OSError: The page cannot be written. The previous one is untouched.
    """
    write_text(folder.report, render(read(folder, over=over)))


def render(story: Story) -> str:
    """The page as HTML."""
    recipe, data = str(story.record.get("recipe", "run")), str(story.record.get("data", {}).get("name", "unknown data"))
    no_scores = '<p class="note">This run has no scores.</p>'
    body = [
        _head(story, recipe, data),
        alarms.box(story.alarms),
        section("Samples", _samples(story)),
        section("Facts", _facts(story)),
        section("Losses", losses(story)),
        section("Scores", scores.final(story.scores) or no_scores, scores.charts(story.scores)),
        section("Variety", spectra.variety(story.variety)),
        section("Weights", spectra.figures(story.spectra)),
        section("Arguments and settings", _options(story)),
        f"<footer>Written by zerosum from {escape(str(story.where.resolve()))}</footer>",
    ]
    return page(f"{recipe} on {data}", body, refresh=REFRESH if story.going else None)


def _head(story: Story, recipe: str, data: str) -> str:
    kind, said = status(story)
    return (
        f"<header><h1>{escape(recipe)} <span>on</span> {escape(data)}</h1>\n"
        f'<p class="paper">{escape(str(story.record.get("paper", "")))}</p>\n'
        f'<p><span class="status {kind}">{escape(said)}</span></p>\n'
        f"<pre>{escape(str(story.record.get('command', '')))}</pre></header>"
    )


def status(story: Story) -> tuple[str, str]:
    """Class of the style, and text."""
    of = _of_total(story)
    known = f"training: step {story.step:,}{of}, as of {moment(story.as_of)}"
    if story.outcome is None:
        return "open", known if story.going else f"{known}; interrupted, no process trains it now"
    if story.outcome.get("finished"):
        return "good", f"finished after {story.step:,} step{'s' * (story.step != 1)}"
    why = {"minutes": ": its time was up", "asked": " on request"}.get(str(story.outcome.get("ended")), "")
    return "open", f"stopped after {story.step:,}{of} step{'s' * (story.step != 1 or bool(of))}{why}"


def _of_total(story: Story) -> str:
    total = story.record.get("arguments", {}).get("steps")
    return f" of {total:,}" if isinstance(total, int) else ""


def _facts(story: Story) -> str:
    record, last = story.record, story.rows[-1] if story.rows else {}
    data, machine = record.get("data", {}), record.get("machine", {})
    versions, settings = record.get("versions", {}), record.get("settings", {})
    outcome = story.outcome or {}
    images = last["images"] / last["step"] * story.step if last.get("images") and last["step"] else None
    rate, spent = (outcome.get(key, last.get(key)) for key in ("images_per_second", "seconds"))
    memory = outcome.get("peak_memory_mib")
    fingerprint = str(data.get("fingerprint", ""))
    unit = "points" if len(data.get("shape", ())) == 1 else "images"
    facts: dict[str, Any] = {
        "steps": f"{story.step:,}{_of_total(story)}",
        f"{unit} seen": f"{images:,.0f}" if images is not None else None,
        "speed": f"{number(round(rate, 1))} {unit} a second" if rate is not None else None,
        "time in training": duration(spent) if spent is not None else None,
        "peak memory": f"{memory:,.0f} MiB" if memory is not None else None,
        "best checkpoint": _best(story),
        "device": machine.get("device"),
        "processes x threads": f"{machine.get('processes', '?')} x {machine.get('threads', '?')}" if machine else None,
        "precision": machine.get("precision"),
        "compiled": machine.get("compiled"),
        "seed": str(settings.get("seed", "")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "data": _data(data),
        "fingerprint of the data": fingerprint[:12],
    }
    shown = {name: summarise(value) for name, value in facts.items() if value not in (None, "")}
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in shown.items())
    return f'<dl class="facts">{cells}</dl>'


def _data(data: dict[str, Any]) -> str:
    count = "unlimited" if data.get("count") is None else f"{data['count']:,}"
    shape = data.get("shape", ())
    if len(shape) == 1:
        return f"{count} points"
    return f"{count} images of {' x '.join(str(n) for n in shape)} (channels, height, width)"


def _best(story: Story) -> str | None:
    if story.best is None:
        return None
    step = str(story.best.get("checkpoint", "")).removeprefix("step-").lstrip("0") or "0"
    return f"step {step} ({story.best.get('score')} {summarise(story.best.get('value'))})"


def _samples(story: Story) -> str:
    if not story.pictures:
        return '<p class="note">This run has no pictures yet.</p>'
    last = story.pictures[-1]
    pictures = [
        f"<figure>{image(p.png, f'after {p.step:,} steps')}<figcaption>step {p.step:,}</figcaption></figure>"
        for p in story.pictures
    ]
    total = story.picture_count
    fewer = f"; {len(pictures)} of {total} pictures are shown" if len(pictures) < total else ""
    return (
        f'<div class="samples"><figure class="big">{image(last.png, f"samples after {last.step:,} steps")}'
        f'<figcaption><input type="range" min="0" max="{len(pictures) - 1}" value="{len(pictures) - 1}" '
        f'aria-label="step"><output>after {last.step:,} steps</output> '
        f"<small>from the same latents throughout{fewer}</small></figcaption></figure>\n"
        f'<div class="strip">{"".join(pictures)}</div></div>'
    )


def losses(story: Story) -> str:
    """A chart for each player with a line for each of its terms."""
    players: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in story.rows:
        for key, value in row["losses"].items():
            player, _, term = key.partition("/")
            if isinstance(value, (int, float)):
                players.setdefault(player, {}).setdefault(term or key, []).append((float(row["step"]), float(value)))
    charts = [
        chart(f"loss of {player}", [Line(term, points) for term, points in terms.items()], unit="loss")
        for player, terms in players.items()
    ]
    return f'<div class="charts">{"".join(charts)}</div>' if charts else '<p class="note">Nothing was logged yet.</p>'


def _options(story: Story) -> str:
    arguments, settings = story.record.get("arguments", {}), story.record.get("settings", {})
    left, right = table(arguments, "Arguments of the recipe"), table(settings, "Settings of the run")
    return f'<div class="halves"><div>{left}</div><div>{right}</div></div>'
