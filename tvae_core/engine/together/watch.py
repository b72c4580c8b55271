"""Whether the other ranks still live: a beat of each in torchrun's store, heard by all.

A killed process closes its connections, which gloo tells at once. A machine that lost its power,
or a process that hangs, says nothing: then its beat stops, and the others end with the reason.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]

LOST = 75  # exit status: ended because another rank was lost (EX_TEMPFAIL)
_EVERY_S = 1.0
_SILENT_S = 15.0  # without a beat, a rank is lost
_SAVING_S = 4.0  # for rank 0 to write a checkpoint; the others have nothing to write
_ENDED, _DONE = "tvae/ended", b"done"
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)


class Watch:
    """Beats for one rank and hears others, in a thread of its own.

    Rank 0 hears all, the others hear rank 0: so the store has little to do, however many they are.

    Parameters
    ----------
    rank, size : int
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.has_lost_one = False
        self._heard = range(1, size) if rank == 0 else range(1)
        self._last: dict[int, tuple[bytes, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ranks", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def leave(self) -> None:
        """Tell the others that this rank is done; it is no longer missed."""
        self._say(_beat(self.rank), _DONE.decode())

    def ended(self) -> None:
        """Tell the others that this rank ends for a reason of its own, and that they are to end."""
        self._say(_ENDED, str(self.rank))

    def has_ended(self) -> bool:
        """Return whether a rank said that it ends."""
        try:
            return bool(_store().check([_ENDED]))
        except RuntimeError:  # the agent has gone with its store
            return False

    def _say(self, key: str, value: str) -> None:
        self._over.set()
        with suppress(RuntimeError):
            _store().set(key, value)

    def _listen(self) -> None:
        answered = time.monotonic()
        store: TCPStore | None = None
        beats = 0
        while not self._over.wait(_EVERY_S):
            beats += 1
            try:
                store = store or _store()
                store.set(_beat(self.rank), f"{_here()} {beats}")
                if store.check([_ENDED]):
                    self._end_soon(0)
                for rank in self._heard:
                    if self._is_silent(rank, store):
                        self._end_without(rank, store)
                answered = time.monotonic()
            except RuntimeError:
                store = None
                if time.monotonic() - answered > _SILENT_S:
                    report_error(RuntimeError("the launcher of the first machine is silent"))
                    self._end_soon(LOST)

    def _is_silent(self, rank: int, store: TCPStore) -> bool:
        if not store.check([_beat(rank)]):
            return False  # it has yet to begin
        beat, now = store.get(_beat(rank)), time.monotonic()
        last, since = self._last.get(rank, (b"", now))
        if beat in (last, _DONE):
            return beat != _DONE and now - since > _SILENT_S
        self._last[rank] = beat, now
        return False

    def _end_without(self, rank: int, store: TCPStore) -> None:
        """End all because of a rank that is silent; where it hangs on this machine, kill it."""
        self.has_lost_one = True
        place, number = self._last[rank][0].decode().split()[:2]
        report_error(RuntimeError(f"rank {rank} (process {number}) no longer answered"))
        store.set(_ENDED, str(self.rank))
        if place == _here().split()[0]:
            with suppress(OSError):
                os.kill(int(number), _AT_ONCE)  # its number is its own until the agent buries it
        self._end_soon(LOST)

    def _end_soon(self, status: int) -> None:
        """End this process unless it ends by itself, within some seconds for rank 0."""
        if not self._over.wait(_SAVING_S if self.rank == 0 else 0.0):
            os._exit(status)


def report_error(error: BaseException) -> None:
    """Leave an error where the agent of this machine looks for it, in torchrun's form."""
    where = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not where:
        return
    fields = {name: getattr(error, name, "") for name in ("what", "where", "todo")}
    words = json.dumps(fields | {"what": fields["what"] or str(error)})
    told = {"message": words, "extraInfo": {"py_callstack": "", "timestamp": str(int(time.time()))}}
    with suppress(OSError), open(where, "w", encoding="utf-8") as stream:
        json.dump({"message": told}, stream)


def _here() -> str:
    """Return which machine and process this is, in two words."""
    return f"{os.environ.get('GROUP_RANK', '0')} {os.getpid()}"


def _beat(rank: int) -> str:
    return f"tvae/beat/{rank}"


def _store() -> TCPStore:
    """Return a connection of its own to torchrun's store."""
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(seconds=_SILENT_S),
    )
