"""``zerosum lab``."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from zerosum.cli.layout import beside
from zerosum.equations import address
from zerosum.errors import UsageError, ZerosumError
from zerosum.files import temporary

if TYPE_CHECKING:
    from zerosum.lab import Experiment

VERB = ("run the claims and figures of the field", 160)  # what it does; its place in the list

HELP = """usage: zerosum lab [NAME | all] [OPTIONS]

Run the claims, figures and counter-examples of the field on the engine that trains GANs. Leaves numbers (JSON),
figures (PNG) and one page of all results in a folder. Without a name, lists the experiments. `zerosum lab NAME --help`
explains an experiment and its options.
"""
ELSEWHERE = {  # what belongs here by its subject, but is done by something else
    "truncation": "zerosum truncation RUN",
    "interpolation": "zerosum interpolate RUN",
    "fid-vs-is": "tools/disturbances.py of the repository; its results: {address}",
}


@dataclass(frozen=True)
class LabOptions:
    """Options of every experiment.

    Attributes:
        quick: Whether to take smaller arguments, for a first look. They may be too small to show what the page claims;
            the output says so.
        seed: Seed of everything random.
        out: Folder of results. What is there of other arguments or another seed is kept.
    """

    quick: bool = False
    seed: int = 0
    out: str = "runs/lab"


@dataclass(frozen=True)
class All(LabOptions):
    """Carry out all experiments, one after the other, and put them on one page.

    Attributes:
        only: Names of experiments with commas between them; all others are left out.
        keep: Whether to leave out those whose results, with the same arguments and seed, are in the folder.
    """

    only: str = ""
    keep: bool = False


def run(argv: list[str]) -> int:
    """List the experiments, or carry out one or all of them."""
    if argv and argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0

    if not argv:
        _list()
        return 0
    name, *rest = argv
    if name == "all":
        return _run_all(tyro.cli(All, args=rest, prog="zerosum lab all"))
    experiment = _find(name)
    options, arguments = _parse(experiment, rest)
    experiment.check(arguments)
    return _carry_out([(experiment, arguments)], options)


def _list() -> None:
    """Print the names and titles of all experiments, within the width of the terminal."""
    from zerosum import lab

    titles = lab.titles() | {name: f"elsewhere: {where}" for name, where in _elsewhere().items()}
    print(beside(titles))
    print("\nzerosum lab NAME --help explains one; zerosum lab all --quick does all.")


def _elsewhere() -> dict[str, str]:
    return {name: where.format(address=address("results/disturbances.md")) for name, where in ELSEWHERE.items()}


def _run_all(options: All) -> int:
    from zerosum import lab

    chosen = [name.strip() for name in options.only.split(",") if name.strip()] or list(lab.titles())
    experiments = [_find(name) for name in dict.fromkeys(chosen)]
    work = [(one, _arguments(one, options.quick)) for one in experiments]
    if options.keep:
        work = [(one, arguments) for one, arguments in work if not _is_there(one, arguments, options)]
    return _carry_out(work, options)


def _find(name: str) -> Experiment:
    from zerosum import lab

    if name in ELSEWHERE:
        raise UsageError(f"{name} is done elsewhere: {_elsewhere()[name]}")
    return lab.find(name)


def _parse(experiment: Experiment, argv: list[str]) -> tuple[LabOptions, dict[str, Any]]:
    """The options of every experiment, and the arguments of this one."""
    from zerosum.arguments import documented

    defaults = _arguments(experiment, "--quick" in argv)
    texts = documented(experiment.run.__doc__ or "") | documented(LabOptions.__doc__ or "")
    types = {key: one.annotation for key, one in experiment.arguments.items()} | get_type_hints(LabOptions)
    defaults |= {one.name: one.default for one in dataclasses.fields(LabOptions)}
    fields = [
        (key, Annotated[kind, tyro.conf.arg(help=texts.get(key, ""))], dataclasses.field(default=defaults[key]))
        for key, kind in types.items()
    ]
    parser = dataclasses.make_dataclass("Parsed", fields)
    about = f"{experiment.title}.\n\n{experiment.text}"
    chosen: Any = tyro.cli(parser, args=argv, prog=f"zerosum lab {experiment.name}", description=about)
    options = LabOptions(**{one.name: getattr(chosen, one.name) for one in dataclasses.fields(LabOptions)})
    return options, {key: getattr(chosen, key) for key in experiment.arguments}


def _arguments(experiment: Experiment, quick: bool) -> dict[str, Any]:
    defaults = {key: one.default for key, one in experiment.arguments.items()}
    return defaults | (experiment.quick if quick else {})


def _is_there(experiment: Experiment, arguments: dict[str, Any], options: LabOptions) -> bool:
    from zerosum.lab import results

    wanted = (experiment.name, results.to_plain(arguments), options.seed)
    return any((r["experiment"], r["arguments"], r["seed"]) == wanted for r in results.records(Path(options.out)))


def _carry_out(work: list[tuple[Experiment, dict[str, Any]]], options: LabOptions) -> int:
    """Carry out experiments, say what was found, write the page; one of many that fails does not stop the others."""
    from zerosum.lab import results

    out = _folder(options.out)
    failed, short = [], []
    for i, (experiment, arguments) in enumerate(work, 1):
        count = f"[{i}/{len(work)}] " if len(work) > 1 else ""
        print(f"{count}{experiment.name}: {experiment.title}", flush=True)
        try:
            short += [] if _carry_out_one(experiment, arguments, options) else [experiment.name]
        except Exception as error:
            if len(work) == 1:
                raise
            if isinstance(error, ZerosumError | ModuleNotFoundError):
                print(f"  left out: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
            failed.append(experiment.name)
    if short and len(work) > 1:
        print(f"not all claims are shown at these sizes by {', '.join(short)}; see above")
    print(results.write_page(out))
    if failed:
        print(f"failed: {', '.join(failed)} (their errors are above)", file=sys.stderr)
    return int(bool(failed))


def _folder(path: str) -> Path:
    """The folder of results, which is made.

    Raises:
        UsageError: It cannot be.
    """
    out = Path(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with temporary(out):  # whether it can be written to is better known now than in an hour
            return out
    except OSError as error:
        raise UsageError(f"out={path}: is not a folder to write to ({error.strerror})", argument="out") from error


def _carry_out_one(experiment: Experiment, arguments: dict[str, Any], options: LabOptions) -> bool:
    """Carry out an experiment and say what was found. Returns whether the numbers show all that its page claims."""
    from zerosum import lab
    from zerosum.lab import results

    out = Path(options.out)
    room = lab.Lab(seed=options.seed, folder=out / f"{experiment.name}-parts", shown=True)
    path = results.carry_out(experiment, room, arguments, _command(experiment, arguments, options.seed), out)
    record = json.loads(path.read_text("utf-8"))
    for sentence in record["says"]:
        print(f"  - {sentence}")
    for sentence in results.verdict(record):
        print(f"  * {sentence}")
    print(f"  {path}", flush=True)
    return all(record["claims"].values())


def _command(experiment: Experiment, arguments: dict[str, Any], seed: int) -> str:
    """The command that does the same again, without the arguments that are at their defaults."""
    words = ["zerosum", "lab", experiment.name]
    for key, value in arguments.items():
        if value != experiment.arguments[key].default:
            words += [f"--{key.replace('_', '-')}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return shlex.join([*words, *(["--seed", str(seed)] if seed else [])])
