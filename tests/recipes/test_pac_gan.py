"""PacGAN: one sample per pack is the plain GAN; otherwise both kinds of sample are packed."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from recipe_data import load

from zerosum import registry
from zerosum.core.game import Game, Nets, start

SMALL: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 12, "steps": 4}


def build(name: str, source: str, **arguments: Any) -> tuple[Game, Any]:
    torch.manual_seed(0)
    data = load(source)
    recipe = registry.find(name)(data, **SMALL, **arguments)
    x, y = data.batch(0, 12, seed=0)
    return recipe.phases[0].game, recipe.draw(x, y, torch.Generator().manual_seed(0))


def losses(game: Game, batch: Any) -> tuple[float, float]:
    n = Nets(game, start(game), batch)
    return tuple(float(game.players[who].loss(n, batch, {})["adv"].detach()) for who in ("D", "G"))  # type: ignore[return-value]


@pytest.mark.parametrize("source", ["fashion-mini", "ring"])
def test_packs_of_one_are_the_plain_gan(source: str):
    game, batch = build("pac-gan", source, pack=1)
    plain, same = build("dcgan", source)
    assert torch.equal(batch.x, same.x)
    assert torch.equal(batch.z, same.z)
    for mine, other in ((game.nets["D"], plain.nets["D"]), (game.nets["G"], plain.nets["G"])):
        weights = dict(zip(mine.state_dict(), other.state_dict().values(), strict=True))
        mine.load_state_dict(weights)
    assert losses(game, batch) == pytest.approx(losses(plain, batch), rel=1e-6)


@pytest.mark.parametrize("source", ["fashion-mini", "ring"])
@pytest.mark.parametrize("m", [2, 3])
def test_real_and_generated_samples_are_packed_and_the_objective_does_not_saturate(source: str, m: int):
    game, batch = build("pac-gan", source, pack=m)
    n = Nets(game, start(game), batch)
    shape = batch.x.shape[1:]
    critic, logits = game.nets["D"].critic, []
    for samples in (batch.x, game.nets["G"](batch.z)):
        packs = torch.stack([torch.cat(list(samples[i : i + m])) for i in range(0, 12, m)])
        assert packs.shape == (12 // m, m * shape[0], *shape[1:])
        logits.append(critic(packs))
    assert n.D(batch.x).shape == (12 // m,)
    d, g = losses(game, batch)
    real, fake = (torch.sigmoid(a.detach()) for a in logits)
    assert d == pytest.approx(float(-real.log().mean() - (1 - fake).log().mean()), rel=1e-4)
    assert g == pytest.approx(float(F.binary_cross_entropy(fake, torch.ones_like(fake))), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pack": 0}, "at least 1"),
        ({"pack": 5, "batch_size": 12}, "such as 10"),
        ({"pack": 5, "batch_size": 3}, "such as 5"),
    ],
)
def test_packs_that_do_not_fit_are_refused(arguments: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        registry.find("pac-gan")(load("ring"), **arguments)
