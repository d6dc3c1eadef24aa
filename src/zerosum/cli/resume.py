"""``zerosum resume RUN``."""

from __future__ import annotations

import signal
from dataclasses import asdict

from zerosum.errors import UsageError

VERB = ("continue a run that was stopped", 20)  # what it does, and its place in the list

HELP = """usage: zerosum resume RUN [OPTIONS]

Continue a run from its newest checkpoint. The options are those of `zerosum train RECIPE`. A run keeps the values that
it was started with, but for those that do not change what was learnt: --steps, --minutes, --log-every, --sample-every,
--save-every, --keep, --eval-every and so on. It goes on with as many processes as it was trained with (torchrun).
"""


def run(argv: list[str]) -> int:
    """Resume a run."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    from zerosum.cli import arguments
    from zerosum.cli.train import finish
    from zerosum.core import parallel
    from zerosum.folder import RunFolder
    from zerosum.runs import api, earlier
    from zerosum.runs.interrupt import interruptible
    from zerosum.runs.source import page_of

    path, *rest = argv
    if path.startswith("-"):
        raise UsageError(f"the run's folder comes first: zerosum resume RUN {path} ...")
    folder = RunFolder(path)
    record = folder.record()
    page = page_of(folder, record, goes_on=True)
    recorded = earlier.arguments_of(record, page) | asdict(earlier.settings_of(record, page))
    rest = [word for word in rest if word != "--override"]  # what earlier versions wanted, for any change
    changes = arguments.parse(page, rest, "zerosum resume RUN", recorded)
    parallel.join()
    try:
        with interruptible(signal.SIGINT, signal.SIGTERM) as stop:
            return finish(api.resume(path, stop=stop, **changes), stop)
    finally:
        parallel.leave()
