"""A file that is read in a child process with limits before this process opens it.

The HDF5 library can crash, loop or take all memory on a file that was made for it, or in which a
bit has flipped. What ends the child never reaches this process. A file is read again by a child
when it has changed.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

Read = Callable[[Path | str], None]
MOST_SECONDS = 2  # of the processor
_MOST_WAIT_S = 60.0  # where the disk is slow
MOST_MORE_BYTES = 512 << 20
_TICK_S = 0.001
_TOO_MUCH, _TOO_LONG = 98, 97  # exit codes of a child
_SIGXCPU = 24  # which Windows lacks
_sound: set[tuple[int, ...]] = set()


class UnsafeError(OSError):
    """A child that read a file crashed, did not end, or asked for too much memory."""


def tried_first(path: Path | str, read: Read, module: str) -> None:
    """Let a child read a file first; return at once for one that was read so before.

    A file that is merely damaged passes: whoever opens it is told so in words.

    Parameters
    ----------
    path : path
    read : callable
        Reads the file as this process will.
    module : str
        Does the same when it is run with the path, where processes cannot fork.

    Raises
    ------
    UnsafeError
        The child crashed, did not end, or asked for more than 512 MB.
    OSError
        The file is not there.
    """
    about = os.stat(path)
    key = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    if key in _sound:
        return
    linux = sys.platform == "linux"
    status = _forked(path, read) if linux else _spawned(path, module)
    if wrong := _words(status):
        raise UnsafeError(f"{wrong}: it is not opened")
    _sound.add(key)


def _forked(path: Path | str, read: Read) -> int:
    """Read a file in a fork, which costs milliseconds; return its exit code.

    h5py makes its lock safe for it, and the child touches nothing else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: see above
        child = os.fork()
    if not child:
        status = 99
        try:
            status = read_limited(path, read)
        finally:
            os._exit(status)
    end, found = time.monotonic() + _MOST_WAIT_S, 0
    try:
        while not found and time.monotonic() < end:
            found, status = os.waitpid(child, os.WNOHANG)
            if not found:
                time.sleep(_TICK_S)
        return os.waitstatus_to_exitcode(status) if found else _TOO_LONG
    finally:
        if not found:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _spawned(path: Path | str, module: str) -> int:
    none = subprocess.DEVNULL
    words = [sys.executable, "-m", module, os.fspath(path)]
    try:
        return subprocess.run(
            words, timeout=_MOST_WAIT_S, check=False, stdin=none, stdout=none, stderr=none
        ).returncode
    except subprocess.TimeoutExpired:
        return _TOO_LONG


def _words(status: int) -> str:
    """Return what a child's exit code says was wrong; Windows has large ones for crashes."""
    if status == _TOO_MUCH:
        return f"reading it takes more than {MOST_MORE_BYTES >> 20} MB of memory"
    if status in (_TOO_LONG, -_SIGXCPU):
        return f"reading it does not come to an end in {MOST_SECONDS} s"
    return f"reading it crashes the library ({status})" if not 0 <= status < 256 else ""


def read_limited(path: Path | str, read: Read) -> int:
    """Set the limits of this process, which is a child, and read a file; return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends soon, and whoever waits for it is told
    faulthandler.disable()
    _limit()
    try:
        read(path)
    except MemoryError:
        return _TOO_MUCH
    except Exception:  # noqa: BLE001 - whoever opens the file meets it again, and tells it
        return 1
    return 0


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        size = pages * resource.getpagesize() + MOST_MORE_BYTES
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        size = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
