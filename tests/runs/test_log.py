"""What is shown while a run goes: the line fits every terminal, and says step, rate and time left before all else."""

import io
import itertools
import re
from typing import Any

import pytest
import torch
from rich.console import Console

from zerosum.runs import log
from zerosum.runs.log import Bar, Display, Lines, Means, Standing, display_for, lay_out

MANY = {"D/adv": 0.691, "D/gradient_penalty": 0.0123, "G/adv": 0.7, "G/a_very_long_name_of_a_term": 12345.678}
MIDDLE = Standing(1_234, 640.4, 420.0, MANY)


def shown(width: int, standing: Standing, total: int = 50_000, unit: str = "images") -> str:
    """What a terminal of this width shows."""
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    bar = Bar(total, unit, console)
    bar.update(standing)
    console.print(bar)
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("\n") <= 1, "one line only"
    return text.rstrip("\n")


def test_at_eighty_columns_step_rate_and_time_left_are_there() -> None:
    text = shown(80, MIDDLE)
    assert "1,234/50,000  640 images/s  7 min left" in text
    assert text.startswith("━━━━━━━━━━  1,234")
    assert text.endswith("D/adv 0.691 …")


def test_at_forty_columns_too() -> None:
    assert shown(40, MIDDLE) == "1,234/50,000  640 images/s  7 min left"
    far = Standing(1_234_567, 12_345.0, 12_000.0, MANY)
    assert shown(40, far, 2_000_000) == "1,234,567/2,000,000 12,345/s 3h20 left"


def test_at_two_hundred_columns_everything_is_there_and_names_are_shortened() -> None:
    text = shown(200, MIDDLE)
    assert "D/adv 0.691  D/gradient_pena… 0.0123  G/adv 0.7  G/a_very_long_n… 1.23e+04" in text
    assert text.count("━") == log.LARGEST_BAR


@pytest.mark.parametrize("width", [10, 20, 30, *range(36, 130, 7), 200, 400])
@pytest.mark.parametrize("step", [0, 1_234, 999_999, 50_000_000])
def test_it_fits_at_every_width(width: int, step: int) -> None:
    for rate, left, losses in itertools.product([0.0, 0.64, 123_456.0], [None, 3.0, 1e7, 1e12], [{}, MANY]):
        text = shown(width, Standing(step, rate, left, losses), total=50_000_000)
        assert f"{step:,}" in text
        if width >= 40 and rate and left is not None and step < 50_000_000:
            assert "/s" in text
            assert "left" in text


def test_points_are_called_samples() -> None:
    assert "640 samples/s" in shown(80, MIDDLE, unit="samples")


def test_the_bar_grows() -> None:
    def part(step: int) -> float:
        console = Console(width=80, file=io.StringIO(), force_terminal=True)
        bar = Bar(100, console=console)
        bar.update(Standing(step))
        styles = {
            segment.style.color.name: len(segment.text)
            for segment in console.render(bar)
            if segment.style and segment.style.color and "━" in segment.text
        }
        return styles.get("color(10)", 0) or sum(n for name, n in styles.items() if name != "grey23")

    assert part(0) <= part(50) <= part(100)
    assert shown(80, Standing(0), 100).count("━") == shown(80, Standing(100), 100).count("━") == log.LARGEST_BAR


def test_a_first_step_that_takes_long_is_seen_to_go_on() -> None:
    assert lay_out(Standing(0), 100_000, "images", 80, waited=3.0).facts == "0/100,000"
    assert lay_out(Standing(0), 100_000, "images", 80, waited=75.2).facts == "0/100,000  first step: 75s"


def test_only_the_first_step_is_said_to_be_the_first() -> None:
    assert lay_out(Standing(9, 5.0), 100, "images", 80, waited=75.0).facts == "9/100  5 images/s"


def test_wide_characters_do_not_start_a_second_line() -> None:
    console = Console(width=60, record=True, file=io.StringIO(), force_terminal=True)
    bar = Bar(100, console=console)
    bar.update(Standing(5, 1.0, 300.0, {"批评者的损失函数值": 1.0, "生成器": 2.0}))
    assert len(console.render_lines(bar)) == 1


def test_time_left_goes_down_while_a_step_takes_long() -> None:
    def left(waited: float) -> str:
        return lay_out(Standing(5, 1.0, 300.0), 100, "images", 80, waited).facts

    assert [left(0), left(180), left(1000)] == [
        f"5/100  1 images/s  {words} left" for words in ("5 min", "2 min", "0 s")
    ]


def test_a_wide_loss_does_not_take_the_place_of_facts() -> None:
    one = lay_out(Standing(5, 1.0, 300.0, {"x" * 300: 1.0}), 100, "images", 30)
    assert (one.bar, one.losses) == (0, "")
    assert len(one.facts) <= 30


def test_lines_say_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [5.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    lines = Lines(50_000, "samples")
    lines.update(Standing(0))
    for seconds, standing in ((5, MIDDLE), (4.9, MIDDLE), (0.2, MIDDLE), (1, Standing(50_000, 700.0, 0.0, {"D": 1.0}))):
        now[0] += seconds
        lines.update(standing)
    first, second, last = capsys.readouterr().err.splitlines()
    assert first == "step 0/50,000"
    assert second.startswith("step 1,234/50,000  640 samples/s  7 min left  D/adv 0.691  D/gradient_penalty 0.0123")
    assert last == "step 50,000/50,000  700 samples/s  D 1"


def test_what_is_said_stays_above_the_bar() -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True)
    with Bar(100, console=console) as bar:
        bar.say("[red] and \\[ are no markup")
        bar.update(Standing(100, 5.0))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert "[red] and \\[ are no markup" in text
    assert text.rstrip().endswith("100/100  5 images/s")


def test_who_sees_what(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = display_for(5, shown=False)
    assert type(hidden) is Display
    assert not hidden.shown
    hidden.update(Standing(1))
    hidden.say("nothing")
    monkeypatch.setattr(log.sys.stderr, "isatty", lambda: False, raising=False)
    lines = display_for(5, shown=True, unit="samples")
    assert isinstance(lines, Lines)
    assert (lines.shown, lines.unit) == (True, "samples")
    monkeypatch.setattr(log.sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(display_for(5, shown=True), Bar)


def said(*values: float, dtype: torch.dtype = torch.float32) -> list[dict[str, Any]]:
    return [{"D": {"adv": torch.tensor(v, dtype=dtype), "rows": torch.zeros(3)}, "G": {}} for v in values]


def test_means_can_be_looked_at_without_being_taken() -> None:
    means = Means()
    assert means.peek() == {}
    for one in said(1.0, 2.0):
        means.add(one)
    assert means.peek() == means.peek() == {"D/adv": 1.5}
    assert means.take() == {"D/adv": 1.5}
    assert means.take() == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_saved_means_go_on_bit_for_bit(dtype: torch.dtype) -> None:
    import json

    values = said(*(torch.arange(1, 40) / 7).tolist(), dtype=dtype)
    whole, first, second = Means(), Means(), Means()
    for one in values:
        whole.add(one)
    for one in values[:17]:
        first.add(one)
    second.restore(json.loads(json.dumps(first.save())), torch.device("cpu"))
    for one in values[17:]:
        second.add(one)
    assert second.take() == whole.take()
