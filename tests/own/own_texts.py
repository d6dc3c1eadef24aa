"""The texts of a recipe of one's own and of its networks."""

NETWORKS = """
from torch import nn


def generator(width):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))


class Critic(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)
"""

MINE = '''"""A GAN of mine."""

import zerosum as zs
from {networks} import Critic, generator


@zs.recipe
def mine(data, *, lr: float = 2e-4, width: int = 8, clever=False, steps: int = 6):
    """Mine. Departures: all.

    Args:
        clever: Whether it is.
    """

    def d_loss(n, b, m):
        return {{"adv": zs.objectives.hinge.d(n.D(b.x), n.D(n.G(b.z))), "r1": zs.penalties.r1(n.D, b.x)}}

    def g_loss(n, b, m):
        return {{"adv": zs.objectives.hinge.g(None, n.D(n.G(b.z)))}}

    return zs.two_player(
        generator(width), Critic(width), d_loss, g_loss, opt=zs.adam(lr, beta1=0.0, beta2=0.99),
        latent=zs.normal(8), batch_size=16, steps=steps,
    )
'''
