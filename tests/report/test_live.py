"""The report of a run that goes on, that was interrupted, and that is over; and a run as a card in a notebook."""

import io
import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.report import read
from zerosum.report.chart import HEIGHT, LEFT, WIDTH, Line, chart
from zerosum.report.notebook import card
from zerosum.report.write import write_report

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+"


def png(width: int = 8) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, width), 90).save(out, format="PNG")
    return out.getvalue()


def rows(count: int, **losses: float) -> str:
    named = losses or {"D/adv": 1.0, "G/adv": 0.5}
    return "".join(
        json.dumps({"step": s, "images": 64 * s, "seconds": s, "images_per_second": 64.0, "losses": named}) + "\n"
        for s in range(1, count + 1)
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run in training, made by hand: nothing says that it has ended."""
    folder = RunFolder(tmp_path / "run")
    folder.samples.mkdir(parents=True)
    folder.states.mkdir()
    record = {
        "schema": 1,
        "recipe": "cgan",
        "arguments": {"steps": 5_000},
        "settings": {"seed": 0},
        "data": {"name": "toy", "shape": [1, 8, 8], "count": 90},
    }
    folder.record_file.write_text(json.dumps(record))
    folder.metrics.write_text(rows(20))
    for step in (0, 10, 20):
        (folder.samples / f"step-{step:09d}.png").write_bytes(png())
    return folder


def written(folder: RunFolder, **how: Any) -> str:
    write_report(folder, **how)
    return folder.report.read_text("utf-8")


def refreshes(page: str) -> list[str]:
    return re.findall(r'<meta http-equiv="refresh" content="(\d+)">', page)


def status(page: str) -> str:
    return re.findall(r'<span class="status [a-z]+">([^<]*)</span>', page)[0]


def test_a_run_in_training_says_how_far_it_is_and_is_read_again(run: RunFolder) -> None:
    before = time.time()
    page = written(run)
    assert re.fullmatch(rf"training: step 20 of 5,000, as of {STAMP}", status(page))
    assert refreshes(page) == ["60"]
    assert before <= read.read(run).as_of <= time.time()
    with run.locked():  # as the process that trains it
        assert status(written(run)).startswith("training: step 20 of 5,000, as of ")
        assert len(refreshes(written(run))) == 1


def test_a_finished_run_is_not_read_again(run: RunFolder) -> None:
    run.outcome_file.write_text('{"step": 5000, "finished": true}')
    page = written(run)
    assert status(page) == "finished after 5,000 steps"
    assert refreshes(page) == []


@pytest.mark.parametrize(("ended", "why"), [("minutes", ": its time was up"), ("asked", " on request"), (None, "")])
def test_a_stopped_run_says_why(run: RunFolder, ended: str | None, why: str) -> None:
    run.outcome_file.write_text(json.dumps({"step": 20, "finished": False, "ended": ended}))
    page = written(run)
    assert status(page) == f"stopped after 20 of 5,000 steps{why}"
    assert refreshes(page) == []


def test_a_killed_run_is_told_from_one_in_training(run: RunFolder) -> None:
    (run.path / ".lock").touch()  # left by a process that is gone
    page = written(run)
    assert re.fullmatch(
        rf"training: step 20 of 5,000, as of {STAMP}; interrupted, no process trains it now", status(page)
    )
    assert refreshes(page) == []
    assert read.read(run).as_of == run.metrics.stat().st_mtime


def test_whoever_knows_that_it_is_over_can_say_so(run: RunFolder) -> None:
    with run.locked():  # the process that trained it writes the last page while it still holds the folder
        page = written(run, over=True)
    assert status(page).endswith("interrupted, no process trains it now")
    assert refreshes(page) == []


def test_a_resumed_run_goes_on(run: RunFolder) -> None:
    run.outcome_file.write_text('{"step": 10, "finished": false}')
    with run.locked():
        page = written(run)
    assert status(page).startswith("training: step 20 of 5,000")
    assert refreshes(page) == ["60"]


def test_a_lock_that_cannot_be_asked_does_not_stop_the_page(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: RunFolder) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(RunFolder, "is_held", refuse)
    assert status(written(run)).startswith("training: step 20")


def test_training_leaves_a_final_page_and_resuming_forgets_the_end(tmp_path: Path) -> None:
    import zerosum
    from zerosum.runs.loop import Stop

    small = {"latent": 2, "batch_size": 8, "progress": False}
    path = tmp_path / "run"
    zerosum.train("gan", data="ring", out=str(path), steps=3, **small)
    assert status((path / "report.html").read_text()) == "finished after 3 steps"
    seen: list[str] = []
    ended: list[bool] = []

    class Watching(Stop):
        """Looks at the page while the run goes on."""

        @property
        def asked(self) -> bool:
            ended.append((path / "outcome.json").exists())
            seen.append(status(written(RunFolder(path))))
            return False

        @asked.setter
        def asked(self, value: bool) -> None:
            pass

    zerosum.resume(path, steps=5, stop=Watching(), progress=False)
    assert [said.split(",")[0] for said in seen[:2]] == ["training: step 4 of 5", "training: step 5 of 5"]
    assert ended[:2] == [False, False]  # how the training before ended says nothing of this one
    assert status((path / "report.html").read_text()) == "finished after 5 steps"


def test_a_run_that_fails_is_not_said_to_go_on(tmp_path: Path) -> None:
    import zerosum
    from zerosum.errors import NonFiniteLoss

    path = tmp_path / "run"
    with pytest.raises(NonFiniteLoss):
        zerosum.train("gan", data="ring", out=str(path), steps=50, lr=1e38, latent=2, batch_size=8, progress=False)
    page = (path / "report.html").read_text("utf-8")
    assert status(page).endswith("interrupted, no process trains it now")
    assert refreshes(page) == []


def test_samples_come_first(run: RunFolder) -> None:
    page = written(run)
    heads = re.findall(r"<h2>([^<]*)</h2>", page)
    assert heads[:3] == ["Samples", "Facts", "Losses"]
    assert re.findall(r"<figcaption>(step [\d,]+)</figcaption>", page) == ["step 0", "step 10", "step 20"]


def test_a_page_that_is_written_every_minute_has_fewer_pictures(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "PICTURES_WHILE_GOING", 3 * len(png(64)))
    for step in range(30, 200, 10):
        (run.samples / f"step-{step:09d}.png").write_bytes(png(64))
    page = written(run)
    shown = int(re.findall(r"(\d+) of 20 pictures are shown", page)[0])
    assert 3 <= shown <= 6
    run.outcome_file.write_text('{"step": 5000, "finished": true}')
    assert "pictures are shown" not in written(run)


def test_a_long_run_is_written_fast(run: RunFolder) -> None:
    terms = {f"{player}/{term}": 0.5 for player in "DG" for term in ("adv", "gp", "aux")}
    run.metrics.write_text(rows(1_000, **terms))
    look = {"sigma": {f"D/{i}.weight": [3.0, 2.0, 1.0] for i in range(20)}, "orthogonality": {}}
    run.spectra.write_text("".join(json.dumps({"step": s, **look}) + "\n" for s in range(1, 101)))
    for step in range(30, 110, 10):
        (run.samples / f"step-{step:09d}.png").write_bytes(png(1_000))
    write_report(run)
    spent = []
    for _ in range(3):
        begun = time.process_time()
        write_report(run)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.3


def test_axes_have_words(run: RunFolder) -> None:
    svg = chart("loss of <D>", [Line("adv", [(0.0, 1.0), (9.0, 2.0)])], unit="loss & more")
    words = re.findall(r'<text class="axis"[^>]*>([^<]*)</text>', svg)
    assert words == ["step", "loss &amp; more"]
    assert re.findall(r'class="axis"[^>]*>([^<]*)<', chart("a title", [Line("a", [(0.0, 1.0)])], by="samples")) == [
        "samples",
        "a title",
    ]
    across, up = re.findall(r'<text class="axis" (?:x="(\d+)" y="(\d+)"|transform="translate\((\d+) (\d+)\))', svg)
    assert LEFT < int(across[0]) < WIDTH
    assert int(across[1]) < HEIGHT
    assert 0 < int(up[2]) < LEFT
    long = chart("w" * 99, [Line("a", [(0.0, 1.0)])])
    assert max(map(len, re.findall(r'class="axis"[^>]*>([^<]*)<', long))) < 50
    page = written(run)
    assert len(re.findall(r'class="axis"', page)) == 2 * page.count("<svg viewBox='") + 2 * page.count(
        '<svg viewBox="0'
    )


class Fragment(HTMLParser):
    """A piece of HTML taken apart; balanced, or an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " | ".join(word for word in self.words if word)


def add_score(run: RunFolder, name: str = "fd_random") -> None:
    protocol = {"samples": 45, "sample_kind": "generated", "reference": "toy", "reference_count": 45, "seed": 1}
    score = {"name": name, "value": 4.5, "protocol": protocol, "details": {"floor": 0.25}}
    run.scores.write_text(json.dumps({"step": 20, "seconds": 1.0, "score": score}) + "\n")


def test_a_card_has_the_last_picture_the_losses_and_the_scores(run: RunFolder) -> None:
    add_score(run)
    found = Fragment(card(run))
    assert [image["alt"] for image in found.images] == ["samples after 20 steps"]
    assert len(read.read(run, pictures=1).pictures) == 1
    assert str(found.images[0]["src"]).startswith("data:image/png;base64,")
    for part in ("cgan | on toy, training: step 20 of 5,000", "loss of D", "loss of G", "fd_random | 4.5 (floor 0.25)"):
        assert part in found.text
    run.outcome_file.write_text('{"step": 20, "finished": true}')
    assert card(run.path) == card(str(run.path)) == card(run)


def test_a_card_of_a_run_that_has_nothing_yet(run: RunFolder) -> None:
    for file in [run.metrics, *run.samples.iterdir()]:
        file.unlink()
    found = Fragment(card(run))
    for part in ("There is no picture yet.", "Nothing was logged yet.", "There are no scores yet."):
        assert part in found.text
    run.samples.rmdir()
    run.record_file.write_text('{"schema": 1, "recipe": "gan"}')
    assert "gan | on unknown data" in Fragment(card(run)).text


def test_a_card_of_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        card(tmp_path)


def test_names_on_a_card_are_escaped(run: RunFolder) -> None:
    evil = "<script>alert('x')</script>\"&"
    record = json.loads(run.record_file.read_text())
    run.record_file.write_text(json.dumps({**record, "recipe": evil, "data": {**record["data"], "name": evil}}))
    run.metrics.write_text(rows(3, **{f"{evil}/{evil}": 1.0}))
    add_score(run, evil)
    text = card(run)
    assert "<script" not in text
    assert text.count("alert(") >= 5
    Fragment(text)


def test_styles_of_a_card_do_not_reach_the_notebook(run: RunFolder) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", card(run), re.DOTALL)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", style) for part in rule.split(",")]
    assert selectors
    assert all(selector.startswith(".zerosum") for selector in selectors), selectors
    used = {word for found in re.findall(r'class="([^"]*)"', card(run)) for word in found.split()}
    assert {"s0", "grid", "legend", "charts", "axis"} <= used


def test_a_card_needs_neither_torch_nor_much_time(run: RunFolder) -> None:
    run.metrics.write_text(rows(1_000))
    for step in range(30, 200, 10):
        (run.samples / f"step-{step:09d}.png").write_bytes(png(1_000))
    begun = time.process_time()
    card(run)
    assert time.process_time() - begun < 0.2
    program = (
        f"import sys; from zerosum.report.notebook import card; card({str(run.path)!r}); "
        "assert not {'torch', 'matplotlib', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
