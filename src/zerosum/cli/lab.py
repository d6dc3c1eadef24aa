"""``zerosum lab``."""

from __future__ import annotations

import dataclasses
import difflib
import json
import shlex
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from zerosum.theory.lab import Experiment

HELP = """usage: zerosum lab [NAME | all] [OPTIONS]

Run the claims, figures and counter-examples of the field on the engine that trains GANs. Leaves numbers (JSON),
figures (PNG) and one page of all results in a folder. Without a name: the list. `zerosum lab NAME --help` explains an
experiment and its options.
"""
ELSEWHERE = {  # what belongs here by its subject, and is done by something else
    "truncation": "zerosum truncation RUN",
    "interpolation": "zerosum interpolate RUN",
    "fid-vs-is": "python tools/disturbances.py, in the repository; its results: results/disturbances.md",
}


@dataclass(frozen=True)
class Options:
    """Options of every experiment.

    Attributes:
        quick: smaller arguments, for a first look.
        seed: of everything random.
        out: the folder of results.
    """

    quick: bool = False
    seed: int = 0
    out: str = "runs/lab"


@dataclass(frozen=True)
class All(Options):
    """Do all experiments, one after the other, and put them on one page.

    Attributes:
        only: names with commas between; all others are left out.
        keep: leave out those whose results, with the same arguments and seed, are in the folder.
    """

    only: str = ""
    keep: bool = False


def run(argv: list[str]) -> int:
    """List the experiments, or do one or all of them."""
    if argv and argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    from zerosum.theory import lab

    if not argv:
        width = max(map(len, lab.titles()))
        for name, title in lab.titles().items():
            print(f"{name:<{width}}  {title}")
        print("\nElsewhere:", *(f"{name}: {where}" for name, where in ELSEWHERE.items()), sep="\n  ")
        print("\nzerosum lab NAME --help explains one; zerosum lab all --quick does all.")
        return 0
    name, *rest = argv
    if name == "all":
        return _all(tyro.cli(All, args=rest, prog="zerosum lab all"))
    experiment = _find(name)
    options, arguments = _parse(experiment, rest)
    return _do([(experiment, arguments)], options)


def _all(options: All) -> int:
    from zerosum.theory import lab

    chosen = options.only.split(",") if options.only else lab.titles()
    experiments = [_find(name.strip()) for name in chosen]
    work = [(one, _arguments(one, options.quick)) for one in experiments]
    if options.keep:
        work = [(one, arguments) for one, arguments in work if not _there(one, arguments, options)]
    return _do(work, options)


def _find(name: str) -> Experiment:
    from zerosum.theory import lab

    if name in ELSEWHERE:
        raise UsageError(f"{name} is done elsewhere: {ELSEWHERE[name]}")
    if name not in lab.titles():
        near = difflib.get_close_matches(name, (*lab.titles(), "all"), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no experiment {name!r}.{hint} There is: {', '.join(lab.titles())}")
    return lab.find(name)


def _parse(experiment: Experiment, argv: list[str]) -> tuple[Options, dict[str, Any]]:
    """The options of every experiment, and this one's arguments."""
    from zerosum.cli.arguments import documented

    defaults = _arguments(experiment, "--quick" in argv)
    texts = documented(experiment.run.__doc__ or "") | documented(Options.__doc__ or "")
    types = {key: one.annotation for key, one in experiment.arguments.items()} | get_type_hints(Options)
    defaults |= {one.name: one.default for one in dataclasses.fields(Options)}
    fields = [
        (key, Annotated[kind, tyro.conf.arg(help=texts.get(key, ""))], dataclasses.field(default=defaults[key]))
        for key, kind in types.items()
    ]
    parser = dataclasses.make_dataclass("Parsed", fields)
    about = f"{experiment.title}.\n\n{experiment.text}"
    chosen: Any = tyro.cli(parser, args=argv, prog=f"zerosum lab {experiment.name}", description=about)
    options = Options(**{one.name: getattr(chosen, one.name) for one in dataclasses.fields(Options)})
    return options, {key: getattr(chosen, key) for key in experiment.arguments}


def _arguments(experiment: Experiment, quick: bool) -> dict[str, Any]:
    defaults = {key: one.default for key, one in experiment.arguments.items()}
    return defaults | (experiment.quick if quick else {})


def _there(experiment: Experiment, arguments: dict[str, Any], options: Options) -> bool:
    from zerosum.theory.lab import results

    wanted = (experiment.name, results.plain(arguments), options.seed)
    return any((r["experiment"], r["arguments"], r["seed"]) == wanted for r in results.records(Path(options.out)))


def _do(work: list[tuple[Experiment, dict[str, Any]]], options: Options) -> int:
    """Do them, say what was found, write the page; one of many that fails does not stop the others."""
    from zerosum.theory.lab import results

    failed = []
    for i, (experiment, arguments) in enumerate(work, 1):
        count = f"[{i}/{len(work)}] " if len(work) > 1 else ""
        print(f"{count}{experiment.name}: {experiment.title}", flush=True)
        try:
            _one(experiment, arguments, options)
        except Exception:
            if len(work) == 1:
                raise
            traceback.print_exc()
            failed.append(experiment.name)
    print(results.write_page(Path(options.out)))
    if failed:
        print(f"failed: {', '.join(failed)} (their errors are above)", file=sys.stderr)
    return int(bool(failed))


def _one(experiment: Experiment, arguments: dict[str, Any], options: Options) -> None:
    from zerosum.theory import lab
    from zerosum.theory.lab import results

    out = Path(options.out)
    room = lab.Lab(seed=options.seed, folder=out / f"{experiment.name}-parts", shown=True)
    path = results.carry_out(experiment, room, arguments, _command(experiment, arguments, options.seed), out)
    for sentence in json.loads(path.read_text())["says"]:
        print(f"  - {sentence}")
    print(f"  {path}", flush=True)


def _command(experiment: Experiment, arguments: dict[str, Any], seed: int) -> str:
    """The command that does this again; what is at its default is left out."""
    words = ["zerosum", "lab", experiment.name]
    for key, value in arguments.items():
        if value != experiment.arguments[key].default:
            words += [f"--{key.replace('_', '-')}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return shlex.join([*words, *(["--seed", str(seed)] if seed else [])])
