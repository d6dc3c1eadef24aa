"""A GAN as a game: what each player owns and minimises, and one update by one player.

All are pure functions of explicit state. That is what lets one step compile to one graph with gradient penalties in it,
lets an unrolled generator differentiate through the critic's own optimizer, and makes a checkpoint just the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad_and_value
from torch.utils import _pytree as pytree

from zerosum.core import parallel
from zerosum.core.ema import Average
from zerosum.core.optim import Optimizer, Tensors
from zerosum.renewal import call_held

Terms = dict[str, Tensor]  # named scalars: a player minimises their sum, the log shows each
Said = dict[str, Terms]  # what every player said in one iteration
Memory = dict[str, Tensor]  # what persists beside the weights: a controller's gain, a fading factor, image pools
Loss = Callable[["Nets", Any, Memory], Terms]
Pull = tuple[dict[str, Tensors], Terms, "State"]  # a player's gradient, what it said, and the state with new buffers
Projection = Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]  # (weights, buffers) -> the same, constrained
Steps = int | Callable[[int], int]  # updates per turn, or iteration t -> updates in its turn


@dataclass(frozen=True)
class Player:
    """One player.

    Attributes:
        owns: Names of the networks that it moves: the only statement of what is differentiated, so losses never detach.
            Weights with ``requires_grad=False`` stay as they are.
        loss: ``(nets, batch, memory) -> {name: scalar}``; the player descends the sum.
        steps: Updates per turn, each on a batch of its own; a function of the iteration t where their number varies,
            and of nothing else, or a resumed run would not be the same.
        every: Iterations from one turn to the next: it moves where ``t % every == 0`` (lazy regularisation).
    """

    owns: tuple[str, ...]
    loss: Loss
    steps: Steps = 1
    every: int = 1

    def updates(self, t: int) -> int:
        """How many updates it makes in iteration ``t``."""
        return 0 if t % self.every else self.steps(t) if callable(self.steps) else self.steps


class Method(nn.Module):
    """A method of a module, as a module: only these can be called with the weights of a state."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module, self.name = module, name

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method."""
        return getattr(self.module, self.name)(*args, **kwargs)


def _methods(net: nn.Module) -> dict[str, Method]:
    """The public methods that a network has beside those of every module."""
    names = {k for cls in type(net).__mro__ for k in vars(cls) if not k.startswith("_") and not hasattr(nn.Module, k)}
    return {name: Method(net, name) for name in sorted(names) if callable(getattr(type(net), name))}


@dataclass(frozen=True)
class Game:
    """The rules: networks, who moves them and how. Holds no state (see :class:`State`).

    Attributes:
        nets: Networks by name. Their own weights serve as initial values and are never changed.
        opts: Optimizers, one for each network that moves; players that share a network share its moments.
        players: Players in turn order.
        memory: Initial values of what persists between iterations beside the weights.
        remember: ``(memory, said) -> memory``, applied after each iteration.
        project: Constraints on networks, applied after each update of theirs.
        average: Running averages of networks, for sampling.
        autocast: Dtype in which losses are computed (``torch.bfloat16``); ``None`` for float32.
        accumulate: Number of parts that each batch is taken in; gradients are averaged over them.
        methods: Public methods of the networks, as modules; made here.
    """

    nets: dict[str, nn.Module]
    opts: dict[str, Optimizer]
    players: dict[str, Player]
    memory: Memory = default(default_factory=dict)
    remember: Callable[[Memory, Said], Memory] = lambda memory, said: memory
    project: dict[str, Projection] = default(default_factory=dict)
    average: dict[str, Average] = default(default_factory=dict)
    autocast: torch.dtype | None = None
    accumulate: int = 1
    methods: dict[str, dict[str, Method]] = default(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for who, player in self.players.items():
            _refuse_unknown(f"player {who!r} owns", player.owns, self.nets)
            _refuse_unknown(f"player {who!r} owns, without an optimizer in `opts`,", player.owns, self.opts)
            fixed = 1 if callable(player.steps) else player.steps
            if not player.owns or fixed < 1 or player.every < 1:
                raise ValueError(f"player {who!r} must own a network, and its `steps` and `every` must be at least 1")
        for what in ("opts", "project", "average"):
            _refuse_unknown(f"`{what}` names", getattr(self, what), self.nets)
        if not self.players or self.accumulate < 1:
            raise ValueError("a game needs at least one player, and `accumulate` must be at least 1")
        _refuse_shared(self.nets)
        for name, net in self.nets.items():
            self.methods[name] = _methods(net)
            if name not in self.project and any(getattr(m, "needs_projection", False) for m in net.modules()):
                raise ValueError(
                    f"network {name!r} has layers that are renewed after each update (spectral norm), but `project` "
                    f"does not mention it: pass project={{{name!r}: power_iteration(net)}}"
                )


def _refuse_unknown(subject: str, names: Iterable[str], known: Mapping[str, Any]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{subject} {', '.join(map(repr, unknown))}; known: {', '.join(map(repr, known)) or 'none'}")


def _refuse_shared(nets: Mapping[str, nn.Module]) -> None:
    owner: dict[Tensor, str] = {}
    for name, net in nets.items():
        for key, weight in net.named_parameters():
            if owner.setdefault(weight, name) != name:
                raise ValueError(
                    f"networks {owner[weight]!r} and {name!r} hold the same weight ({key}): make the shared part "
                    "a network of its own, and let players own it together with theirs"
                )


class State(NamedTuple):
    """Everything that changes during training: one pytree of dicts of tensors."""

    weights: dict[str, Tensors]
    buffers: dict[str, Tensors]
    opt: dict[str, Any]
    memory: Memory
    average: dict[str, Tensors]


def start(game: Game, device: torch.device | str = "cpu", *, channels_last: bool = True) -> State:
    """The initial state, copied from the networks' own weights to ``device``."""

    def copy(tensor: Tensor) -> Tensor:
        new = tensor.detach().to(device, copy=True, memory_format=torch.contiguous_format)
        # Of two ways to say the same layout (1x1 kernels) the first, which updates keep: another is compiled again.
        return new.contiguous(memory_format=torch.channels_last) if channels_last and new.dim() == 4 else new

    still = {w for n in game.opts for w in game.nets[n].parameters() if not w.requires_grad}  # as good as buffers
    weights = {n: {k: copy(w) for k, w in net.named_parameters() if w not in still} for n, net in game.nets.items()}
    tensors = {n: dict(net.named_buffers()) | dict(net.named_parameters()) for n, net in game.nets.items()}
    buffers = {n: {k: copy(b) for k, b in named.items() if k not in weights[n]} for n, named in tensors.items()}
    opt = {n: game.opts[n].init(weights[n]) for n in game.opts}
    memory = {k: copy(v) for k, v in game.memory.items()}
    average = {n: {k: v.clone() for k, v in (weights[n] | buffers[n]).items()} for n in game.average}
    return State(weights, buffers, opt, memory, average)


class Network:
    """A network bound to a state: call it, or a method of it, like the module. ``weights`` are its weights by name."""

    def __init__(self, module: nn.Module, weights: Tensors, buffers: Tensors, methods: dict[str, Method]) -> None:
        self._module, self.weights, self._buffers, self._methods = module, weights, buffers, methods

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the network; it may write to this state's buffers."""
        return call_held(self._module, self.weights | self._buffers, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._methods:
            raise AttributeError(f"the network has no method {name!r}; it has {', '.join(self._methods) or 'none'}")
        tensors = {f"module.{k}": v for k, v in (self.weights | self._buffers).items()}
        return lambda *args, **kwargs: call_held(self._methods[name], tensors, args, kwargs)

    def frozen(self, *args: Any, **kwargs: Any) -> Any:
        """The same function for derivatives inside a loss: what it writes to its buffers is dropped."""
        scratch = {k: b.clone() for k, b in self._buffers.items()}
        return call_held(self._module, self.weights | scratch, args, kwargs)


class Nets:
    """The networks of a game at a state, as attributes: ``n.D(n.G(b.z))``."""

    def __init__(self, game: Game, state: State, batch: Any) -> None:
        self._game, self._state, self._batch = game, state, batch
        self._notes: Terms = {}

    def __getattr__(self, name: str) -> Network:
        if name not in self._game.nets:
            raise AttributeError(f"the game has no network {name!r}; it has {', '.join(self._game.nets)}")
        weights, buffers = self._state.weights[name], self._state.buffers[name]
        return Network(self._game.nets[name], weights, buffers, self._game.methods[name])

    def note(self, **values: Tensor) -> None:
        """Say something that is not minimised, for the log and for ``Game.remember``."""
        self._notes |= values

    def after(self, who: str, steps: int) -> Nets:
        """These networks once ``who`` has made ``steps`` updates on this batch, differentiably, its optimizer included.

        Metz et al. 2017 (arXiv:1611.02163), Eq. 7-8. What each rank imagines of its share of the batch leaves no trace.
        """
        state = self._state
        with torch.autocast(_device(state), enabled=False):  # `_gradient` sets its own, for the forward pass alone
            for _ in range(steps):
                grads, _, state = _gradient(self._game, who, state, self._batch)
                state = descend(self._game, state, grads, differentiable=True)
        return Nets(self._game, state, self._batch)


def gradient(game: Game, who: str, state: State, batch: Any, *, differentiable: bool = True) -> Pull:
    """What ``who`` wants, ``{network: {weight: gradient}}``; the terms of its loss; the state with new buffers.

    Where nobody differentiates through it, ``differentiable=False`` gives the same numbers sooner.
    """
    if game.accumulate == 1:
        return _gradient(game, who, state, batch, differentiable)
    total: Any = None
    heard: list[Terms] = []
    for part in _split(batch, game.accumulate):
        grads, said, state = _gradient(game, who, state, part, differentiable)
        total = grads if total is None else pytree.tree_map(torch.add, total, grads)
        heard.append(said)
    # Scalars are means over the batch; anything else that is noted holds a row per sample.
    parts = {k: [said[k] for said in heard] for k in heard[0]}
    said = {k: torch.cat(p) if p[0].dim() else torch.stack(p).sum() / len(p) for k, p in parts.items()}
    return pytree.tree_map(lambda g: g / game.accumulate, total), said, state


def _gradient(game: Game, who: str, state: State, batch: Any, differentiable: bool = True) -> Pull:
    player = game.players[who]

    def total(owned: dict[str, Tensors]) -> tuple[Tensor, tuple[Terms, dict[str, Tensors]]]:
        buffers = {n: {k: b.clone() for k, b in bs.items()} for n, bs in state.buffers.items()}
        nets = Nets(game, state._replace(weights=state.weights | owned, buffers=buffers), batch)
        # No cache: a weight cast under one derivative must not be reused under another.
        with torch.autocast(_device(state), game.autocast, enabled=game.autocast is not None, cache_enabled=False):
            terms = player.loss(nets, batch, state.memory)
        named = isinstance(terms, dict) and all(isinstance(t, Tensor) and not t.dim() for t in terms.values())
        if not named or not terms:
            found = pytree.tree_map(
                lambda t: f"tensor {(*t.shape,)}" if hasattr(t, "shape") else type(t).__name__, terms
            )
            raise ValueError(f"the loss of player {who!r} must be scalar tensors by name, {{'adv': loss}}, not {found}")
        return torch.stack([term.float() for term in terms.values()]).sum(), (terms | nets._notes, buffers)

    owned = {name: state.weights[name] for name in player.owns}
    # The compiler takes functions alone, and makes the same graph of them.
    derive = grad_and_value(total, has_aux=True) if differentiable or torch.compiler.is_compiling() else _taped(total)
    grads, (_, (said, buffers)) = derive(owned)
    return grads, said, state._replace(buffers=buffers)


def _taped(function: Callable[[Any], tuple[Tensor, Any]]) -> Callable[[Any], Any]:
    """``grad_and_value(function, has_aux=True)`` on autograd's tape: less work per operation, once differentiable."""

    def derive(owned: Any) -> Any:
        leaves = pytree.tree_map(lambda w: w.detach().requires_grad_(), owned)
        with torch.enable_grad():
            value, aux = function(leaves)
        if not value.requires_grad:
            raise ValueError(f"the loss of the player that moves {', '.join(owned)} does not depend on that")
        flat, spec = pytree.tree_flatten(leaves)
        grads = torch.autograd.grad(value, flat, materialize_grads=True)
        return pytree.tree_unflatten(list(grads), spec), pytree.tree_map(torch.detach, (value, aux))

    return derive


def _device(state: State) -> str:
    return next(w.device.type for ws in state.weights.values() for w in ws.values())


def _split(batch: Any, parts: int) -> list[Any]:
    leaves, spec = pytree.tree_flatten(batch)
    for leaf in leaves:
        if isinstance(leaf, Tensor) and leaf.dim() and leaf.shape[0] % parts:
            raise ValueError(f"a batch of {leaf.shape[0]} cannot be taken in {parts} equal parts: change either")
    chunks = [leaf.chunk(parts) if isinstance(leaf, Tensor) and leaf.dim() else [leaf] * parts for leaf in leaves]
    return [pytree.tree_unflatten(list(part), spec) for part in zip(*chunks, strict=True)]


def descend(game: Game, state: State, grads: dict[str, Tensors], *, differentiable: bool = False) -> State:
    """One optimizer step along ``grads``, then each network's projection."""
    weights, buffers, opt = dict(state.weights), dict(state.buffers), dict(state.opt)
    for name, grad in grads.items():
        update = game.opts[name].update if differentiable else game.opts[name].fast
        weights[name], opt[name] = update(grad, opt[name], weights[name])
        if name in game.project:
            weights[name], buffers[name] = game.project[name](weights[name], buffers[name])
    return state._replace(weights=weights, buffers=buffers, opt=opt)


def apply(game: Game, state: State, grads: dict[str, Tensors]) -> State:
    """Turn gradients into an update, averaged over the ranks: data parallelism is here and nowhere else."""
    return descend(game, state, parallel.mean(grads))


def play(game: Game, who: str, state: State, batch: Any) -> tuple[State, Said]:
    """One update by one player: the unit that is compiled."""
    grads, said, state = gradient(game, who, state, batch, differentiable=False)
    return apply(game, state, grads), {who: said}


def field(game: Game, state: State, batch: Any) -> tuple[dict[str, Tensors], Said, State]:
    """The vector field v(theta): every player's gradient at one point and batch; summed where they own the same."""
    v: dict[str, Tensors] = {}
    said: Said = {}
    for who in game.players:
        grads, said[who], state = gradient(game, who, state, batch)
        for name, grad in grads.items():
            v[name] = {k: v[name][k] + g for k, g in grad.items()} if name in v else grad
    return v, said, state
