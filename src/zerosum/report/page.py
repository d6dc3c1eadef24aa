"""The page: its frame, its style, and the small pieces of which sections are made."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --page: #fcfcfb; --card: #fff; --ink: #1d2126; --soft: #646b74; --line: #e3e4e1;
  --s0: #2563b8; --s1: #c2561a; --s2: #1d8a5f; --s3: #8445b5; --s4: #b08400; --s5: #b8336a; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1b1f23; --ink: #e6e8ea; --soft: #98a1ab;
  --line: #30363c; --s0: #6ea8f5; --s1: #f09a5b; --s2: #5cc79b; --s3: #c493ea; --s4: #dcb84a; --s5: #ef84ac; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 70rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h1 span { color: var(--soft); font-weight: 400; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .9rem; padding-top: .9rem; border-top: 1px solid var(--line); }
p { margin: .35rem 0; }
.note, .paper, figcaption small { color: var(--soft); }
.note { font-size: .87rem; }
.status { display: inline-block; padding: .1rem .65rem; border: 1px solid var(--line); border-radius: 1rem;
  background: var(--card); font-size: .87rem; }
.status.good { color: var(--s2); border-color: currentColor; }
.status.open { color: var(--s1); border-color: currentColor; }
pre, code { font: .87rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 1rem 0 0; padding: .7rem .9rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.alarm { margin: 1.5rem 0 0; padding: .2rem 1.1rem .8rem; border: 2px solid var(--s1); border-radius: .5rem;
  background: var(--card); }
.alarm h2 { margin: .6rem 0 .3rem; padding: 0; border: 0; color: var(--s1); }
.alarm dl { margin: 0; }
.alarm dt { font-weight: 600; margin-top: .5rem; }
.alarm dt small { font-weight: 400; color: var(--soft); }
.alarm dd { margin: 0; }
.facts { display: grid; gap: .9rem 1.5rem; margin: 0;
  grid-template-columns: repeat(auto-fill, minmax(min(11.5rem, 44%), 1fr)); }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; border-radius: .3rem; background: #fff; }
.big { margin: 0; width: fit-content; max-width: 100%; overflow-x: auto; }
.big figcaption { margin-top: .5rem; position: sticky; left: 0; }
.big input { display: none; width: 100%; margin: .25rem 0 0; accent-color: var(--s0); }
.live .big input { display: block; }
.live .big img { cursor: zoom-in; }
.samples { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem 1.75rem; }
.samples.near .big img { max-width: none; cursor: zoom-out; }
.strip { display: flex; gap: .6rem; overflow-x: auto; padding-bottom: .5rem; }
@media (min-width: 60rem) { .samples:not(.near) { grid-template-columns: fit-content(46rem) minmax(0, 1fr); }
  .samples:not(.near) .strip { flex-wrap: wrap; align-content: flex-start; overflow: auto; max-height: 56rem; } }
.strip figure { flex: 0 0 7.5rem; margin: 0; }
.strip img { width: 7.5rem; border: 2px solid transparent; }
.live .strip img { cursor: pointer; }
.strip img.now { border-color: var(--s0); }
.strip figcaption { font-size: .8rem; color: var(--soft); text-align: center; font-variant-numeric: tabular-nums; }
.charts { margin-top: 1rem; display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.chart { margin: 0; padding: .8rem .9rem .5rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
.chart figcaption { font-weight: 600; }
.chart figcaption small { font-weight: 400; }
.legend { list-style: none; margin: .1rem 0 .4rem; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1.1rem;
  font-size: .87rem; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 500; font-variant-numeric: tabular-nums; }
.legend i { display: inline-block; width: 1rem; margin-right: .4rem; vertical-align: middle;
  border-top: 2.5px solid var(--c); }
.legend i.level { border-top-style: dashed; }
svg { display: block; width: 100%; overflow: hidden; }
svg text.axis { font-size: 11.5px; }
svg text { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg path { fill: none; stroke: var(--c); stroke-width: 1.6; stroke-linejoin: round; }
svg path.grid { stroke: var(--line); stroke-width: 1; }
svg path.level { stroke-dasharray: 5 4; }
svg path.layer { stroke-width: 1.1; }
svg path.first { stroke-width: 2.6; }
svg path.layer, svg path.first { stroke-linecap: round; }
svg path.thin { stroke-width: .5; opacity: .55; }
svg circle { fill: var(--c); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
.s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .87rem; }
th, td { padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
table.scores td:first-child { overflow-wrap: normal; }
.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 3rem;
  align-items: start; }
h3 { font-size: .95rem; margin: 1rem 0 .3rem; }
summary { cursor: pointer; color: var(--s0); }
details table { margin: .4rem 0 .8rem; font-size: .87rem; }
footer { margin-top: 3rem; color: var(--soft); font-size: .87rem; }
@media print { .strip { flex-wrap: wrap; } }
"""

SCRIPT = """
const big = document.querySelector('.big');
if (big) {
  const shots = [...document.querySelectorAll('.strip img')], range = big.querySelector('input');
  const show = i => {
    big.querySelector('img').src = shots[i].src;
    big.querySelector('output').textContent = shots[i].alt;
    range.value = i;
    shots.forEach((shot, j) => shot.classList.toggle('now', i === j));
  };
  if (shots.length > 1) {
    document.body.classList.add('live');
    range.addEventListener('input', () => show(+range.value));
    shots.forEach((shot, i) => shot.addEventListener('click', () => show(i)));
    show(shots.length - 1);
  }
  big.querySelector('img').addEventListener('click', () => big.parentElement.classList.toggle('near'));
}
"""

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""


def page(title: str, body: Sequence[str], *, refresh: int | None = None) -> str:
    """The whole page, without sections that are empty.

    Args:
        title: Title of the window.
        body: Sections.
        refresh: Seconds after which browsers read the page again. ``None``: it does not change.
    """
    whole = "\n".join(part for part in body if part)
    again = f'<meta http-equiv="refresh" content="{refresh}">\n' if refresh else ""
    return FRAME.format(title=escape(title), refresh=again, style=STYLE, script=SCRIPT, body=whole)


def section(title: str, *parts: str) -> str:
    """A section with a heading, or nothing if all parts are empty."""
    inner = "\n".join(part for part in parts if part)
    return f"<section><h2>{escape(title)}</h2>\n{inner}\n</section>" if inner else ""


def write_out(value: Any) -> str:
    """Write a value with all its digits."""
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def table(rows: Mapping[str, Any], head: str = "", form: Callable[[Any], str] = write_out) -> str:
    """Names and values in two columns.

    Args:
        rows: Values by name.
        head: Heading of the table. "": it has none.
        form: Function that writes a value as text.
    """
    title = f"<h3>{escape(head)}</h3>" if head else ""
    lines = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(form(v))}</td></tr>" for k, v in rows.items())
    return f"{title}<table>{lines}</table>" if rows else ""


def image(png: bytes, alt: str, style: str = "") -> str:
    """A picture that is part of the page's file.

    Args:
        png: Content of the PNG file.
        alt: Words for people who do not see it.
        style: Style of its own, in CSS.
    """
    data = base64.b64encode(png).decode("ascii")
    own = f' style="{escape(style, quote=True)}"' if style else ""
    return f'<img alt="{escape(alt, quote=True)}"{own} src="data:image/png;base64,{data}">'


def summarise(value: Any) -> str:
    """Write a value with as many digits as people need."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(summarise(item) for item in value)
    return write_out(value)


def number(value: float) -> str:
    """A number with four significant digits. A whole number is written in full."""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """A time span in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def moment(seconds: float) -> str:
    """A moment, in seconds since 1970, as date and time of this machine's zone."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
