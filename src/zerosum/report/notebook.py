"""A run in a notebook: its last picture, its losses and its scores as one piece of HTML, made of its files."""

from __future__ import annotations

from html import escape
from pathlib import Path

from zerosum.folder import RunFolder
from zerosum.report import alarms, scores
from zerosum.report.page import image
from zerosum.report.read import Story, read
from zerosum.report.write import losses, status

WIDE = 560  # pixels: largest width of the picture
# Notebooks have styles of their own, light or dark, so colours are taken from the text around.
STYLE = """
.zerosum { --s0: #3b78c9; --s1: #c2561a; --s2: #1d8a5f; --s3: #8f54be; --s4: #a37b00; --s5: #c2447a; max-width: 68rem;
  --line: rgba(128, 128, 128, .3); }
.zerosum .top { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
.zerosum .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .8rem;
  flex: 1 1 17rem; }
.zerosum figure { margin: 0; }
.zerosum figcaption { font-weight: 600; }
.zerosum small, .zerosum .note { opacity: .7; font-weight: 400; }
.zerosum .legend { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1rem; }
.zerosum .legend li { margin: 0; }
.zerosum .legend i { display: inline-block; width: 1rem; margin-right: .4rem; vertical-align: middle;
  border-top: 2.5px solid var(--c); }
.zerosum svg { display: block; width: 100%; }
.zerosum svg text { font-size: 11px; fill: currentColor; opacity: .75; }
.zerosum svg path { fill: none; stroke: var(--c); stroke-width: 1.6; stroke-linejoin: round; }
.zerosum svg path.grid { stroke: var(--line); stroke-width: 1; }
.zerosum svg circle { fill: var(--c); }
.zerosum .s0 { --c: var(--s0); } .zerosum .s1 { --c: var(--s1); } .zerosum .s2 { --c: var(--s2); }
.zerosum .s3 { --c: var(--s3); } .zerosum .s4 { --c: var(--s4); } .zerosum .s5 { --c: var(--s5); }
.zerosum td, .zerosum th { text-align: left; vertical-align: top; padding: .15rem 1.2rem .15rem 0; }
.zerosum .alarm { border: 2px solid var(--s1); border-radius: .4rem; padding: .1rem .8rem .5rem; margin: .5rem 0; }
"""


def card(folder: RunFolder | Path | str) -> str:
    """A run as a piece of HTML for a notebook: what it is, its last picture, its losses and its scores.

    It is read from the files in the run's folder, without torch, whether the run is finished or not.

    Args:
        folder: Folder of the run.

    Raises:
        UsageError: The folder is not that of a run.
        CheckpointError: Its ``run.json`` is damaged.
    """
    story = read(folder if isinstance(folder, RunFolder) else RunFolder(folder), pictures=1)
    _, said = status(story)
    recipe, data = story.record.get("recipe", "run"), story.record.get("data", {}).get("name", "unknown data")
    return (
        f'<div class="zerosum"><style>{STYLE}</style>'
        f"<p><b>{escape(str(recipe))}</b> on {escape(str(data))}, {escape(said)}"
        f"<br><code>{escape(str(story.where))}</code></p>{alarms.box(story.alarms)}"
        f'<div class="top">{picture(story)}{losses(story)}</div>{score_table(story)}</div>'
    )


def picture(story: Story) -> str:
    """The last picture of a run as an image that needs no file, or a note that there is none yet."""
    if not story.pictures:
        return '<p class="note">There is no picture yet.</p>'
    last = story.pictures[-1]
    shown = image(last.png, f"samples after {last.step:,} steps", style=f"width: 100%; max-width: {WIDE}px")
    return f'<figure style="flex: 1 1 {WIDE}px; max-width: {WIDE}px">{shown}</figure>'


def score_table(story: Story) -> str:
    """The scores after the last step that was scored as a table with their protocols, or a note that there are none."""
    return scores.final(story.scores) or '<p class="note">There are no scores yet.</p>'
