"""Ctrl-C and SIGTERM: the first asks the work to stop, the second ends it at once.

Work that has not stopped some seconds after it was asked is interrupted where it stands, and ended
where even that does nothing, so that nobody waits for more than ten seconds. Whatever is written
is written aside and renamed, so no file is ever half written.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tvae_core.errors import Cancelled

INTERRUPTED = 130
ASKED_S = 5.0  # after so long, work that does not ask is interrupted
INTERRUPTED_S = 4.0  # and after so long, ended
_AGAIN_S = 0.02  # until code that swallowed an interrupt is left
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stopping:
    """Hears signals in a thread of its own, also while the work is in foreign code."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.interrupted = False
        self._insists = False
        self._ended = False
        self._unraisable = sys.unraisablehook
        self._process = os.getpid()
        self._hears, self._speaks = socket.socketpair()
        self._speaks.setblocking(False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)

    def start(self) -> None:
        sys.unraisablehook = self.swallowed
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        sys.unraisablehook = self._unraisable
        with suppress(OSError):
            self._speaks.send(b"\0")
        self._thread.join(1.0)
        self._speaks.close()
        self._hears.close()

    @property
    def wakes(self) -> int:
        return self._speaks.fileno()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Interrupt the work; runs in the main thread, between two steps of Python."""
        if self._insists:
            self._insists = False
            self.interrupted = True
            raise KeyboardInterrupt

    def swallowed(self, told: sys.UnraisableHookArgs) -> None:
        """Interrupt once more where foreign code could not pass the interrupt on (fork, close)."""
        if not (self.interrupted and told.exc_type is KeyboardInterrupt):
            self._unraisable(told)
        elif os.getpid() == self._process:  # not in a fork of it
            again = threading.Timer(_AGAIN_S, _interrupt_main)
            again.daemon = True
            again.start()

    def _listen(self) -> None:
        if not self._hear(None):
            return
        self.asked.set()
        if self._hear(ASKED_S):
            _end("ended at once")
        if self._ended:
            return
        self._insists = True
        _thread.interrupt_main()
        self._hear(INTERRUPTED_S)  # that interrupt itself
        if self._hear(INTERRUPTED_S):
            _end("ended at once")
        if not self._ended:
            _end("did not stop in time, and was ended")

    def _hear(self, seconds: float | None) -> bool:
        """Return whether a signal came within so many seconds."""
        self._hears.settimeout(seconds)
        with suppress(TimeoutError, OSError):
            heard = self._hears.recv(1)
            return bool(heard) and not self._ended
        return False


def _interrupt_main() -> None:
    """Raise in the main thread; unlike a signal, nobody hears it as a second one."""
    main = ctypes.c_ulong(threading.main_thread().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(KeyboardInterrupt))


def _end(words: str) -> None:
    if threading.main_thread().is_alive():
        with suppress(OSError):
            os.write(2, f"tvae: {words}\n".encode())
        os._exit(INTERRUPTED)


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Take Ctrl-C and SIGTERM for the time of the block; yield the question whether one came.

    Outside the main thread, which alone can take signals, nobody ever asks. Foreign code that is
    interrupted may turn that into an error of its own (HDF5: "driver write request failed"); it is
    an interrupt all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stopping = _Stopping()
    before = {number: signal.signal(number, stopping.on_signal) for number in _SIGNALS}
    woken = signal.set_wakeup_fd(stopping.wakes, warn_on_full_buffer=False)
    stopping.start()
    try:
        yield stopping.asked.is_set
    except Exception as error:
        if stopping.interrupted and not isinstance(error, Cancelled):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.close()
