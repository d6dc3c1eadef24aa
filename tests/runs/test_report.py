"""The page of a run: what is on it, what is left out, and that it needs nothing from elsewhere."""

import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zerosum.errors import CheckpointError, UsageError
from zerosum.folder import RunFolder
from zerosum.metrics import score
from zerosum.report import read, scores
from zerosum.report.write import write_report

VOID = {"meta", "img", "input"}
PROTOCOL = {"samples": 500, "sample_kind": "generated", "reference": "toy", "reference_count": 40, "seed": 1}


class Page(HTMLParser):
    """A page taken apart; balanced, or an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(" ".join(data.split()))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " | ".join(text for text in self.texts if text)


def png(grey: int = 0) -> bytes:
    out = io.BytesIO()
    Image.new("L", (8, 8), grey).save(out, format="PNG")
    return out.getvalue()


def scored(step: int, name: str, value: float, details: dict[str, float] | None = None, **protocol: Any) -> str:
    found = {"name": name, "value": value, "protocol": {**PROTOCOL, **protocol}, "details": details or {}}
    return json.dumps({"step": step, "seconds": 1.0, "score": found}) + "\n"


def record(**changed: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "recipe": "wgan-gp",
        "paper": "WGAN-GP. Gulrajani et al. 2017.",
        "arguments": {"width": None, "penalty_weight": 10.0, "steps": 50_000},
        "settings": {"data": "toy", "seed": 7, "ema": 0.999},
        "data": {"name": "toy", "shape": [3, 32, 32], "count": 12_345, "fingerprint": "0123456789abcdef" * 4},
        "command": "zerosum train wgan-gp --data toy",
        "machine": {"device": "A Fine GPU", "threads": 8, "processes": 2, "precision": "bf16", "compiled": True},
        "versions": {"zerosum": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        **changed,
    }


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run's folder as training leaves it, made by hand."""
    folder = RunFolder(tmp_path / "run")
    folder.samples.mkdir(parents=True)
    folder.states.mkdir()
    folder.record_file.write_text(json.dumps(record()))
    rows = [
        {
            "step": s,
            "images": 64 * s,
            "seconds": s / 10,
            "images_per_second": 640.0,
            "losses": {"D/w": -s, "G/w": 0.5 * s},
        }
        for s in range(100, 2001, 100)
    ]
    folder.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.scores.write_text(scored(1000, "fd", 9.0, {"floor": 0.25}) + scored(2000, "fd", 4.5, {"floor": 0.25}))
    for step in (0, 1000, 2000):
        (folder.samples / f"step-{step:09d}.png").write_bytes(png(step // 10))
    said = {"step": 2000, "finished": False, "seconds": 200.0, "images_per_second": 640.0, "peak_memory_mib": 1234.5}
    (folder.path / "outcome.json").write_text(json.dumps(said))
    (folder.states / "best.json").write_text('{"checkpoint": "step-000002000", "score": "fd", "value": 4.5}')
    return folder


def written(folder: RunFolder) -> Page:
    write_report(folder)
    return Page(folder.report.read_text(encoding="utf-8"))


def test_everything_is_there(run: RunFolder) -> None:
    page = written(run)
    for part in (
        "wgan-gp | on | toy",
        "WGAN-GP. Gulrajani et al. 2017.",
        "stopped after 2,000 of 50,000 steps",
        "zerosum train wgan-gp --data toy",
        "images seen | 128,000",
        "speed | 640 images a second",
        "time in training | 3 min",
        "peak memory | 1,234 MiB",
        "device | A Fine GPU",
        "precision | bf16",
        "seed | 7",
        "torch 2.13.0",
        "12,345 images of 3 x 32 x 32",
        "0123456789ab",
        "best checkpoint | step 2000 (fd 4.5)",
        "loss of D | by step | w | -2000",
        "loss of G | by step | w | 1000",
        "After 2,000 steps",
        "fd | 4.5 (floor 0.25) | 500 generated against 40 of toy | protocol",
        "penalty_weight | 10.0",
        "width | none",
        "ema | 0.999",
    ):
        assert part in page.text, part
    for key, value in PROTOCOL.items():
        assert f"{key} | {value}" in page.text


def test_it_needs_nothing_from_elsewhere(run: RunFolder) -> None:
    page = written(run)
    sources = [attributes[key] for _, attributes in page.tags for key in ("src", "href") if key in attributes]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    text = run.report.read_text()
    assert not re.search(r"url\(|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text


def test_pictures_come_in_order_and_the_last_one_large(run: RunFolder) -> None:
    page = written(run)
    assert [image["alt"] for image in page.of("img")] == [
        "samples after 2,000 steps",
        "after 0 steps",
        "after 1,000 steps",
        "after 2,000 steps",
    ]
    assert page.of("img")[0]["src"] == page.of("img")[3]["src"] != page.of("img")[2]["src"]
    assert page.of("input")[0]["max"] == "2"


def test_a_picture_that_was_cut_short_is_left_out(run: RunFolder) -> None:
    (run.samples / "step-000002000.png").write_bytes(png()[:-9])
    (run.samples / "mine.png").write_bytes(png())
    assert [image["alt"] for image in written(run).of("img")][1:] == ["after 0 steps", "after 1,000 steps"]


def test_too_many_pictures_are_thinned_evenly(run: RunFolder) -> None:
    for step in range(0, 2001, 100):
        (run.samples / f"step-{step:09d}.png").write_bytes(png())
    pictures, total = read.read_pictures(run.samples, limit=6 * len(png()))
    assert total == 21
    steps = [picture.step for picture in pictures]
    assert 3 <= len(steps) <= 6
    assert (steps[0], steps[-1]) == (0, 2000)
    assert max(b - a for a, b in pairwise(steps)) <= 800


def test_an_unfinished_run_with_a_cut_last_line(run: RunFolder) -> None:
    (run.path / "outcome.json").unlink()
    for file in (run.metrics, run.scores):
        with file.open("a") as rows:
            rows.write('{"step": 2100, "im')
    page = written(run)
    assert re.search(r"training: step 2,000 of 50,000, as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ \|", page.text)
    assert "loss of D | by step | w | -2000" in page.text
    assert "speed | 640 images a second" in page.text
    assert "peak memory" not in page.text


def test_the_outcome_of_before_a_resume_is_not_believed(run: RunFolder) -> None:
    with run.metrics.open("a") as rows:
        rows.write(json.dumps({"step": 2100, "images": 64 * 2100, "losses": {"D/w": 1.0}}) + "\n")
    assert "training: step 2,100 of 50,000, as of" in written(run).text


def test_finished(run: RunFolder) -> None:
    (run.path / "outcome.json").write_text('{"step": 50000, "finished": true}')
    assert "finished after 50,000 steps" in written(run).text


def test_only_a_record(run: RunFolder) -> None:
    bare = RunFolder(run.path.parent / "bare")
    bare.path.mkdir()
    bare.record_file.write_text('{"schema": 1, "recipe": "gan"}')
    page = written(bare)
    for part in ("gan | on | unknown data", "no pictures yet", "Nothing was logged yet", "This run has no scores"):
        assert part in page.text


def test_points(run: RunFolder) -> None:
    data = {"name": "ring", "shape": [2], "count": None, "fingerprint": "ff"}
    run.record_file.write_text(json.dumps(record(data=data)))
    page = written(run)
    for part in ("unlimited points", "points seen | 128,000", "640 points a second"):
        assert part in page.text


def test_what_is_no_run_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        write_report(RunFolder(tmp_path))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        write_report(RunFolder(tmp_path))
    assert not (tmp_path / "report.html").exists()


def test_text_is_escaped_wherever_it_stands(run: RunFolder) -> None:
    evil = "<script>alert('x')</script>\"&"
    everywhere = record(
        recipe=evil,
        paper=evil,
        command=evil,
        arguments={evil: evil},
        settings={"seed": evil, evil: evil},
        data={"name": evil, "shape": [1, 2, 2], "count": 1, "fingerprint": evil},
        machine={"device": evil, "precision": evil},
        versions={evil: evil},
    )
    run.record_file.write_text(json.dumps(everywhere))
    run.metrics.write_text(json.dumps({"step": 1, "losses": {f"{evil}/{evil}": 1.0, evil: 2.0}}) + "\n")
    run.scores.write_text(scored(1, evil, 1.0, {evil: 1.0}, reference=evil, **{evil: evil}))
    (run.states / "best.json").write_text(json.dumps({"checkpoint": evil, "score": evil, "value": evil}))
    page = written(run)
    assert len(page.of("script")) == 1
    text = run.report.read_text()
    assert text.count("alert(") > 15
    assert "<script>alert" not in text


def test_repetitions_are_averaged_and_repeated_rows_count_once(run: RunFolder) -> None:
    run.scores.write_text(
        scored(5, "fd", 1.0, seed=1) + scored(5, "fd", 3.0, seed=2) + scored(5, "fd", 3.0, seed=2, zerosum="0.2")
    )
    text = written(run).text
    assert "fd | 2 ± 1.4 (2 seeds) | 500 generated" in text
    assert "seed | 1, 2" in text


def test_unlike_protocols_are_not_mixed(run: RunFolder) -> None:
    rows = [scored(step, "fd", float(step + n), samples=n) for step in (5, 10) for n in (100, 200)]
    run.scores.write_text("".join(rows))
    text = written(run).text
    assert "fd | 110 | 100 generated" in text
    assert "fd | 210 | 200 generated" in text
    assert "fd | by step | samples 100 | 110 | samples 200 | 210" in text


def test_scores_make_a_curve_from_two_steps_on(run: RunFolder) -> None:
    several = written(run)
    assert "fd | by step | fd | 4.5 | floor | 0.25" in several.text
    run.scores.write_text(scored(1000, "fd", 9.0) + scored(1000, "floor", 9.0, sample_kind="real"))
    assert "fd | by step" not in written(run).text
    run.scores.write_text("".join(scored(step, "fd_floor", 9.0, sample_kind="real") for step in (1, 2)))
    assert "by step | fd_floor" not in written(run).text


def test_the_same_fields_are_not_compared_as_in_metrics() -> None:
    assert scores.NOT_COMPARED == score._NOT_COMPARED


def test_it_is_written_whole_or_not_at_all(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(run)
    before = run.report.read_bytes()
    run.record_file.write_text(json.dumps(record(recipe="other")))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            write_report(run)
    assert run.report.read_bytes() == before
    assert not list(run.path.glob(".report*"))
    write_report(run)
    assert run.report.read_bytes() != before


def test_it_does_not_import_torch(run: RunFolder) -> None:
    program = (
        "import sys; from zerosum.folder import RunFolder; from zerosum.report.write import write_report; "
        f"write_report(RunFolder({str(run.path)!r})); assert not {{'torch', 'matplotlib', 'numpy'}} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_was_watched_is_on_the_page_and_what_is_damaged_is_not(run: RunFolder) -> None:
    assert not written(run).of("aside")
    looks = [{"step": s, "sigma": {"D/a<b>": [s / 10.0]}, "orthogonality": {"D/a<b>": 0.25}} for s in (100, 200)]
    wrong = [{"step": 300, "sigma": sigma} for sigma in ({"D/a": 3}, {"D/a": ["x"]}, [])]
    variety = [{"step": s, "samples": 64, "spread": s / 1000, "repeats": 0.125} for s in (0, 500)]
    alarm = {"step": 1300, "name": "D is <b>", "since": 1200, "seen": "a loss of 0", "advice": "a lower rate"}
    files = {
        run.spectra: [*looks, *wrong],
        run.variety: [*variety, {"step": 9, "spread": None}],
        run.alarms: [alarm, {**alarm, "name": None}, {**alarm, "since": "x"}],
    }
    for file, rows in files.items():
        file.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 400, "sig')
    page = written(run)
    for part in (
        "singular values of D | by step; the layers that rose most | first layer, a<b> | 20",
        "standard deviation, real samples having 1 | 0.5 | share of near-duplicates | 0.125",
        "D is <b> | seen at step 1,300, since step 1,200 | a loss of 0. | To try: | a lower rate.",
    ):
        assert part in page.text, part
    assert [tag["class"] for tag in page.of("aside")] == ["alarm"]
    assert page.text.count("To try:") == 1
    assert page.text.index("Alarms") < page.text.index("Facts") < page.text.index("Weights")
    assert page.text.index("Alarms") < page.text.index("Samples") < page.text.index("Facts")
