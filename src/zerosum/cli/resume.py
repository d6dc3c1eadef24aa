"""``zerosum resume RUN``."""

from __future__ import annotations

from zerosum.errors import UsageError

VERB = ("continue a run that was stopped", 20)  # what it does, and its place in the list

HELP = """usage: zerosum resume RUN [--override] [OPTIONS]

Continue a run from its newest checkpoint. The options are those of `zerosum train RECIPE`. Values that differ from the
recorded ones are refused, unless --override is given and they do not change what was learnt (--steps, --minutes,
--log-every, --sample-every, --save-every, --eval-every and so on).
"""


def run(argv: list[str]) -> int:
    """Resume a run."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    from zerosum.cli import arguments
    from zerosum.cli.train import finish, interruptible
    from zerosum.core import parallel
    from zerosum.folder import RunFolder
    from zerosum.runs import api
    from zerosum.runs.earlier import arguments_of

    path, *rest = argv
    if path.startswith("-"):
        raise UsageError(f"the run's folder comes first: zerosum resume RUN {path} ...")
    override = "--override" in rest
    record = RunFolder(path).record()
    recorded = {**arguments_of(record), **record["settings"]}
    rest = [word for word in rest if word != "--override"]
    changes = arguments.parse(str(record["recipe"]), rest, "zerosum resume RUN", recorded)
    parallel.join()
    try:
        with interruptible() as stop:
            trained = api.resume(path, changes, override=override, progress=True, stop=stop)
            return finish(trained, stop)
    finally:
        parallel.leave()
