"""What the list of recipes says is what their pages do: checked on the game itself, and on papers everybody knows."""

import json
from pathlib import Path

import pytest
import torch

from zerosum import catalogue, registry
from zerosum.catalogue import facts
from zerosum.data import load


@pytest.mark.parametrize(
    ("name", "source", "year", "objective", "penalty"),
    [
        ("wgan-gp", "Gulrajani et al.", "2017", "wasserstein", "wgan-gp"),
        ("wgan", "Arjovsky et al.", "2017", "wasserstein", "clip"),
        ("sngan", "Miyato et al.", "2018", "hinge", "spectral-norm"),
        ("cgan", "Mirza and Osindero", "2014", "non-saturating", ""),
        ("f-gan", "Nowozin, Cseke and Tomioka", "2016", "f-divergence", ""),
    ],
)
def test_pages_are_read_rightly(name: str, source: str, year: str, objective: str, penalty: str) -> None:
    assert facts(name)[:3] == (name, source, year)
    assert facts(name)[4:] == (objective, penalty)


@pytest.mark.parametrize("name", sorted(set(registry.names()) - {"custom"}))  # whose game is made elsewhere
def test_players_are_those_of_the_game(name: str) -> None:
    torch.manual_seed(0)
    small = {k: v for k, v in {"width": 8, "g_width": 8, "d_width": 8}.items() if k in registry.arguments(name)}
    game = registry.find(name)(load("fashion-mini"), **small).phases[0].game
    assert " x1" not in facts(name).players
    told = [part.split(" x") for part in facts(name).players.split(", ")]
    said = {who: int(count[0]) if count else 1 for who, *count in told}
    assert said == {who: player.steps for who, player in game.players.items()}


@pytest.mark.parametrize("name", sorted(set(registry.names()) - {"custom"}))
def test_every_page_names_its_authors(name: str) -> None:
    assert facts(name).source
    assert 1980 < int(facts(name).year) < 2030


def test_figures_are_read_where_there_are_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MEASURED", tmp_path / "measured.json")
    assert catalogue.figures() == {}
    (tmp_path / "measured.json").write_text(json.dumps({"recipes": {"gan": {"ring": {"modes": [1, 0]}}}}))
    assert catalogue.figures()["gan"]["ring"]["modes"][0] == 1
