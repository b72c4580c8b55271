"""Commands run with a fault at their k-th operation: `Injector(folder).trial(words, ...)`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

NOTHING, FAIL, KILL_BEFORE, KILL_AFTER, TEAR, HOLD = range(6)
KILLS = (KILL_BEFORE, KILL_AFTER, TEAR)
ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES)
SOURCE = Path(__file__).with_name("injector.c")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Trial:
    """How a command ended.

    `exit` is None when a signal ended it, `late` says that it ran over its limit; `told` is all
    that it printed, `operations` how many operations it made (0 when it was killed).
    """

    exit: int | None
    signal: int | None
    late: bool
    told: str
    operations: int

    @property
    def one_line(self) -> bool:
        """Whether the error was told in one line, without a traceback."""
        errors = [line for line in self.told.splitlines() if line.startswith("tvae: error")]
        return len(errors) == 1 and "Traceback" not in self.told


def can_inject() -> str:
    """Return why faults cannot be injected on this machine; empty when they can."""
    if not sys.platform.startswith("linux"):
        return "faults are injected under the GNU C library only"
    return "" if shutil.which("cc") else "there is no C compiler"


class Injector:
    """The process that forks trials; `folder` takes the compiled library and what is printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        library = folder / "injector.so"
        words = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run([*words, "-lpthread"], check=True, capture_output=True)
        environment = os.environ | {
            "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.zygote"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._answers.readline() == "ready\n"

    @property
    def _answers(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def trial(
        self,
        words: Sequence[str],
        folder: Path,
        at: int = 0,
        kind: int = NOTHING,
        number: int = 0,
        *,
        send: int = 0,
        after: float = 0,
        limit: float = 60,
        log: Path | None = None,
    ) -> Trial:
        """Run a command in `folder` and return how it ended.

        Parameters
        ----------
        words : sequence of str
            The words after `tvae`, or "module:function" and its words.
        at, kind, number : int
            The operation under `folder` that fails, how, and with which errno.
        send, after : int, float
            A signal to send after these seconds, or where the kind is HOLD, at that operation.
        limit : float
            Seconds until it is killed as hanging.
        log : path, optional
            Where to keep every operation with its content.
        """
        asked = {
            "words": list(words), "folder": str(folder), "at": at, "kind": kind, "errno": number,
            "send": int(send), "after": after, "limit": limit, "log": str(log or ""),
            "told": str(self.folder / "told"),
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Trial(**json.loads(self._answers.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()
