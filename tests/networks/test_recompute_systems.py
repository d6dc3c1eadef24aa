"""Systems that take ``recompute``: a turn of each player is the same, compiled as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from zerosum import registry
from zerosum.core.game import gradient, start
from zerosum.data.base import Data


def turn(
    name: str, who: str, recompute: bool, derive: Callable[[Any], Any] = lambda f: f
) -> tuple[Any, Any, list[str]]:
    torch.manual_seed(0)
    width = {"sagan": {"g_width": 8, "d_width": 8}}.get(name, {"width": 8, "shared": 8})
    recipe = registry.find(name)(
        Data("random", (3, 32, 32), ("a", "b"), None, "", ()), **width, batch_size=4, recompute=recompute
    )
    game = recipe.phases[0].game
    rng = torch.Generator().manual_seed(1)
    batch = recipe.draw(torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1, torch.tensor([0, 1, 1, 0]), rng)
    state = start(game)
    grads, _, after = derive(lambda s, b: gradient(game, who, s, b, differentiable=False))(state, batch)
    return grads, after.buffers, [k for net in game.nets.values() for k in net.state_dict()]


@pytest.mark.parametrize("who", ["D", "G"])
@pytest.mark.parametrize("name", ["biggan", "biggan-deep", "sagan"])
def test_a_player_s_turn_is_the_same(name: str, who: str):
    direct, again = (turn(name, who, recompute) for recompute in (False, True))
    assert again[2] == direct[2]
    for found, expected in zip(again[:2], direct[:2], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
def test_a_compiled_turn_is_the_same():
    torch._dynamo.reset()
    compile = partial(torch.compile, backend="aot_eager", fullgraph=True)
    direct, again = turn("biggan", "D", False), turn("biggan", "D", True, compile)
    for found, expected in zip(again[:2], direct[:2], strict=True):
        torch.testing.assert_close(tree_map(torch.clone, found), expected, atol=1e-6, rtol=1e-4)
