"""``zerosum resume RUN``."""

from __future__ import annotations

from zerosum.recipe import UsageError

HELP = """usage: zerosum resume RUN [--override] [OPTIONS]

Go on with a run from its newest checkpoint. Options are those of `zerosum train RECIPE`; ones that differ from the
recorded values are refused, unless --override is given and they do not change what was learnt (--steps, --minutes,
--log-every, --sample-every, --save-every, --eval-every).
"""


def run(argv: list[str]) -> int:
    """Resume."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    from zerosum.cli import arguments
    from zerosum.cli.train import finish, interruptible
    from zerosum.core import parallel
    from zerosum.runs import api
    from zerosum.runs.folder import RunFolder

    path, *rest = argv
    if path.startswith("-"):
        raise UsageError(f"the run's folder comes first: zerosum resume RUN {path} ...")
    override = "--override" in rest
    record = RunFolder(path).record()
    recorded = {**record["arguments"], **record["settings"]}
    rest = [word for word in rest if word != "--override"]
    changes = arguments.parse(str(record["recipe"]), rest, "zerosum resume RUN", recorded)
    parallel.join()
    try:
        with interruptible() as stop:
            trained = api.resume(path, changes, override=override, progress=True, stop=stop)
            return finish(trained, stop)
    finally:
        parallel.leave()
