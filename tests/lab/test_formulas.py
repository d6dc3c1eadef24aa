"""Pages of the lab: formulas are drawn in them, and plain letters are typeset."""

import re

import pytest

from zerosum import lab
from zerosum.lab.formulas import formula, papers, typeset


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("-gamma/2 +- sqrt(gamma^2/4 - 1/4)", "−<i>γ</i>/2 ± √(<i>γ</i><sup>2</sup>/4 − 1/4)"),
        ("t^(-1 / (1 + 4 s^2))", "t<sup>−1 / (1 + 4 s<sup>2</sup>)</sup>"),
        ("t^-0.501; predicted", "t<sup>−0.501</sup>; predicted"),
        ("x_i and p_1, w_t", "<i>x</i><sub>i</sub> and <i>p</i><sub>1</sub>, <i>w</i><sub>t</sub>"),
        ("theta != 0, a <= b, a >= b, a -> b", "<i>θ</i> ≠ 0, a ≤ b, a ≥ b, a → b"),
        ("KL(p||q) at -1.5", "KL(p‖q) at −1.5"),
        ("beta1 0.5", "<i>β</i><sub>1</sub> 0.5"),
        ("a < b & c", "a &lt; b &amp; c"),
        # What is no formula
        ("WGAN-GP, one-sided, fd_fashion, 2e-4, d_lr", "WGAN-GP, one-sided, fd_fashion, 2e-4, d_lr"),
        ("alphabet lambdas piano", "alphabet lambdas piano"),
        ("``gamma^2 <= x_i`` `d_lr`", "<code>gamma^2 &lt;= x_i</code> <code>d_lr</code>"),
    ],
)
def test_plain_letters_are_typeset(plain: str, html: str) -> None:
    assert typeset(plain) == html


def test_papers_and_files_are_linked() -> None:
    html = typeset("Metz et al. 2017 (arXiv:1611.02163); `results/recipes.md` of the repository")
    assert '<a href="https://arxiv.org/abs/1611.02163">arXiv:1611.02163</a>' in html
    assert re.search(r'<code><a href="https://\S+/results/recipes.md">results/recipes.md</a></code>', html)
    assert papers("arXiv:1611.02163, arXiv:1704.00028 and arXiv:1611.02163") == [
        "https://arxiv.org/abs/1611.02163",
        "https://arxiv.org/abs/1704.00028",
    ]


@pytest.mark.parametrize("name", lab.titles())
def test_formulas_are_drawings_that_take_the_colour_of_the_text(name: str) -> None:
    for tex, what in lab.find(name).formulas:
        html = formula(tex, what)
        assert html.count("<svg") == 1
        assert "<path" in html
        assert not re.search(r"http(?!://www\.w3\.org)|style=|#000|<metadata|patch_1", html)
        assert html == formula(tex, what)


def test_glyphs_of_two_formulas_have_different_names() -> None:
    a, b = (set(re.findall(r'\bid="([^"]+)"', formula(tex))) for tex in ("x^2", "x^3"))
    assert a
    assert b
    assert not a & b
    for tex in ("x^2", r"\frac{a}{b}"):
        html = formula(tex)
        assert set(re.findall(r'href="#([^"]+)"', html)) <= set(re.findall(r'\bid="([^"]+)"', html))


def test_what_is_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="frac"):
        formula(r"\frac{a}")


def test_descriptions_are_escaped() -> None:
    assert "<b>" not in formula("x", "a <b> c")
