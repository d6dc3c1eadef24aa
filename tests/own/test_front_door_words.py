"""A mistyped word is answered from arguments and settings alike, whichever it was meant to be."""

from pathlib import Path

import pytest

import zerosum as zs


@pytest.mark.parametrize(
    ("word", "hint"), [("minuts", "minutes"), ("see", "seed"), ("eval_cuont", "eval_count"), ("widht", "width")]
)
def test_a_mistyped_word_is_answered_with_the_nearest(
    word: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(zs.UsageError, match=rf"recipe 'gan' has no argument '{word}'.* Did you mean '{hint}'\?"):
        zs.train("gan", data="ring", **{word: 3})
    assert not Path("runs").exists()


def test_earlier_names_are_no_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="'k' is now called 'n_critic'"):
        zs.train("gan", data="ring", k=1, steps=1, width=4, batch_size=4, watch=-1, progress=False)
