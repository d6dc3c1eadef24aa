"""Typesets formulas, and what docstrings say in plain letters, for pages of HTML without network and fonts."""

from __future__ import annotations

import io
import re
import zlib
from functools import cache
from html import escape

from zerosum.equations import address

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "eps": "ε",
    "epsilon": "ε",
    "theta": "θ",
    "lambda": "λ",
    "mu": "μ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "phi": "φ",
    "psi": "ψ",
}
SIZE = 13.0  # of display formulas, in points
STYLE = """<style>
.formula { margin: .7rem 0; overflow-x: auto; }
.formula svg { display: inline-block; width: auto; max-width: none; vertical-align: middle; }
.formula svg path, .formula svg use, .formula svg rect { fill: currentColor; stroke: none; }
.formula small { opacity: .7; margin-left: 1.2rem; }
.claims { list-style: none; padding-left: 0; }
.shown::before { content: "✓ "; color: #1d8a5f; }
.open::before { content: "✗ "; color: #d0662a; }
sub, sup { line-height: 0; }
</style>"""

_CODE = re.compile(r"``(.+?)``|`(.+?)`")
_PAPER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_FILE = re.compile(r"\b((?:docs|results|tools)/[\w./-]*\w)")
_NAMES = "|".join(sorted(GREEK, key=len, reverse=True))
_INNER = r"\((?:[^()]|\([^()]*\))*\)"  # a pair of brackets, with at most another one inside
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"&lt;-"), "←"),
    (re.compile(r"-&gt;"), "→"),
    (re.compile(r"&lt;="), "≤"),
    (re.compile(r"&gt;="), "≥"),
    (re.compile(r"!="), "≠"),
    (re.compile(r"\+-"), "±"),
    (re.compile(r"\|\|"), "‖"),
    (re.compile(r"\bsqrt(?=\()"), "√"),
    (re.compile(rf"\^\(((?:[^()]|{_INNER})*)\)"), r"<sup>\1</sup>"),
    (re.compile(r"\^(-?\d+(?:\.\d+)?|[A-Za-z*])(?![A-Za-z])"), r"<sup>\1</sup>"),
    (re.compile(r"\b([A-Za-z])_(\d+|[a-z])(?![A-Za-z_])"), r"<i>\1</i><sub>\2</sub>"),
    (re.compile(r" - "), " − "),
    (re.compile(r"(?<![\w.)<-])-(?=[\d√<α-ω(]|log\b|i/)"), "−"),
)
# Of a drawing: what says who made it, its background, and colours, which are the page's.
_UNWANTED = re.compile(
    r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>"
    r'|<g id="patch_1">.*?</g>|<clipPath.*?</clipPath>| (?:style|clip-path)="[^"]*"',
    re.S,
)


def typeset(text: str) -> str:
    """A text in plain letters as HTML: ``sqrt(1 + lr^2)`` with a root and a raised 2, theta as a letter.

    Code in backquotes stays as it is. arXiv numbers are linked to papers, and files of the repository to the web.
    """
    parts = []
    place = 0
    for code in _CODE.finditer(text):
        parts += [_typeset_prose(text[place : code.start()]), f"<code>{_link(escape(code[1] or code[2]))}</code>"]
        place = code.end()
    return "".join([*parts, _typeset_prose(text[place:])])


def _typeset_prose(text: str) -> str:
    text = escape(text, quote=False)
    text = re.sub(rf"(?<![\w`])({_NAMES})(\d?)(?!\w)", lambda m: _letter(m[1], m[2]), text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _link(text)


def _letter(name: str, index: str) -> str:
    return f"<i>{GREEK[name]}</i>" + (f"<sub>{index}</sub>" if index else "")


def _link(text: str) -> str:
    text = _PAPER.sub(lambda m: f'<a href="https://arxiv.org/abs/{m[1]}">arXiv:{m[1]}</a>', text)
    return _FILE.sub(lambda m: f'<a href="{escape(address(m[1]))}">{m[1]}</a>', text)


def papers(text: str) -> list[str]:
    """Addresses of the papers that a text cites by their arXiv numbers, in the order of their first mention."""
    return [f"https://arxiv.org/abs/{number}" for number in dict.fromkeys(_PAPER.findall(text))]


def formula(tex: str, what: str = "") -> str:
    """A formula on a line of its own, as a drawing in the page that takes the colour of the text.

    Args:
        tex: The formula in matplotlib's mathtext, without dollars.
        what: What it is, in plain letters.

    Raises:
        ValueError: This is not a formula.
    """
    beside = f"<small>{typeset(what)}</small>" if what else ""
    return f'<div class="formula">{_svg(tex)}{beside}</div>'


@cache
def _svg(tex: str) -> str:
    """The formula as an SVG element, the same bytes each time."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawing = io.BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": tex, "mathtext.fontset": "stix"}):
        figure = Figure()
        figure.text(0, 0, f"${tex}$", fontsize=SIZE)
        FigureCanvasSVG(figure).print_figure(
            drawing, format="svg", facecolor="none", bbox_inches="tight", pad_inches=0.02, metadata={"Date": None}
        )
    text = drawing.getvalue().decode("utf-8")
    text = _UNWANTED.sub("", text[text.index("<svg") :])
    # Glyphs are found by their names, which must not be those of another drawing on the page.
    mark = f"f{zlib.crc32(tex.encode()):x}-"
    text = text.replace(' id="', f' id="{mark}').replace('xlink:href="#', f'xlink:href="#{mark}')
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(tex, quote=True)}" ', 1).strip()
