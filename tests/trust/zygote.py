"""A process that has everything imported and forks a child for each trial: a start costs nothing.

It runs under the injector. One JSON object a line comes in, one goes out.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tvae_core.cli.main import COMMANDS, main

TICK = 0.002


def serve() -> None:
    """Fork a child for each line until the input ends."""
    _import_everything()
    libc = ctypes.CDLL(None)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what children print of their own goes to a file each; nothing else answers
    print("ready", file=answers)
    for line in sys.stdin:
        print(json.dumps(_trial(libc, json.loads(line))), file=answers)


def _import_everything() -> None:
    import torch

    torch.set_num_threads(1)
    for name in COMMANDS:
        importlib.import_module(f"tvae_core.cli.{name}")
    for name in ("engine.training.train", "engine.using.embed", "engine.judging.judge"):
        importlib.import_module(f"tvae_core.{name}")
    for name in (
        "sklearn.cluster",
        "sklearn.decomposition",
        "h5py",
        "PIL.Image",
        "matplotlib.pyplot",
    ):
        importlib.import_module(name)


def _trial(libc: ctypes.CDLL, asked: dict[str, Any]) -> dict[str, Any]:
    count = Path(asked["told"] + ".count")
    count.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os._exit(_child(libc, asked, count))
    status, late = _wait(child, asked)
    return {
        "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "late": late,
        "told": Path(asked["told"]).read_text(errors="replace"),
        "operations": int(count.read_text()) if count.exists() else 0,
    }


def _child(libc: ctypes.CDLL, asked: dict[str, Any], count: Path) -> int:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handle = os.open(asked["told"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    os.chdir(asked["folder"])
    words = [os.fsencode(asked["folder"]), asked["at"], asked["kind"], asked["errno"]]
    libc.fault_arm(words[0], ctypes.c_long(words[1]), *words[2:], os.fsencode(asked["log"]))
    try:
        status = _work(asked["words"])
    except BaseException as error:  # noqa: BLE001 - whatever ends the child is its result
        import traceback

        traceback.print_exc()
        status = error.code if isinstance(error, SystemExit) and error.code else 99
    libc.fault_count.restype = ctypes.c_long
    count.write_text(str(libc.fault_count()))
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0)


def _work(words: list[str]) -> int:
    """Run a command, or a function of ours as "module:function" and its words."""
    module, _, name = words[0].partition(":")
    if name:
        return int(getattr(importlib.import_module(module), name)(*words[1:]) or 0)
    return main(words)


def _wait(child: int, asked: dict[str, Any]) -> tuple[int, bool]:
    """Wait for the child; a signal is sent where it stopped itself, or after some seconds."""
    began, send_after = _clock(child), asked["after"]
    while True:
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        past = _clock(child) - began
        if found and os.WIFSTOPPED(status):
            os.kill(child, asked["send"] or signal.SIGCONT)
            os.kill(child, signal.SIGCONT)
            began, found = _clock(child), 0
        elif found:
            return status, False
        if send_after and past > send_after:
            os.kill(child, asked["send"])
            began, send_after = _clock(child), 0
        if past > asked["limit"]:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1], True
        time.sleep(TICK)


def _clock(child: int) -> float:
    """Return the clock's seconds without those that the child waited for a processor.

    A machine that is busy with other things makes nothing hang.
    """
    try:
        waited = int(Path(f"/proc/{child}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        waited = 0.0
    return time.monotonic() - waited


if __name__ == "__main__":
    serve()
