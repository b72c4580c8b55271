"""torchrun, which starts the ranks of one machine and ends them when one fails; told as JSON.

    python -m tvae_core.engine.together.agent --standalone --nproc-per-node 2 -m tvae_core.cli.main
    train RUN --json

takes torchrun's own words. Its last line on the standard output is an object `ranks-ended` with
what became of ranks that failed: their numbers, processes, exit statuses (negative: the signal) and
words.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

_INTERRUPTED, _FAILED = 130, 3


def main(words: Sequence[str]) -> int:
    """Run torchrun with its `words`; return 0 when every rank ended well."""
    failures: list[dict[str, object]] = []
    status = 0
    logging.disable(logging.ERROR)  # what torchrun would log is in the last line
    try:
        run(parse_args(list(words)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        failures = [
            {"rank": rank, "pid": one.pid, "status": one.exitcode, "words": _words(one.message)}
            for rank, one in error.failures.items()
        ]
        status = _FAILED
    except SignalException:
        status = _INTERRUPTED
    sys.stdout.write(json.dumps({"kind": "ranks-ended", "failures": failures}) + "\n")
    sys.stdout.flush()
    return status


def _words(message: object) -> str:
    """Return the words a rank left; torchrun makes up a message where one left none."""
    if isinstance(message, dict):
        message = message.get("message", "")
    text = str(message)
    return text if text.startswith("{") else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
