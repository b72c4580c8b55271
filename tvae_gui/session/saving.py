"""Notes on their way to disk: a copy of what was made, written on any thread, told on one."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import TvaeError
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Sidecar, changing, save_sidecar, sidecar_path
from tvae_core.store import EmbeddingStore
from tvae_gui.state.made import Clusters

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class _Known:
    """What notes must know of their store, also when it is closed meanwhile."""

    path: Path
    images: int
    identity: str
    prints: NDArray[np.uint64] | None
    weights_sha256: str


class Saving:
    """One writing of notes. `run` may be called on any thread; whoever needs the outcome waits.

    Parameters
    ----------
    before : (int, int) or None
        The stamp of the notes that these were made from: where others have changed them since,
        nothing is written.

    Attributes
    ----------
    clusterings, sets
        What is written, to tell later what others changed.
    stamp : (int, int) or None
        Of the notes written.
    error : Exception or None
        Why they could not be.
    overtaken : bool
        Whether others were first: what they added is to be taken before.
    """

    def __init__(
        self,
        notes: Sidecar,
        store: EmbeddingStore,
        before: Stamp,
        clusterings: dict[str, Clusters],
        sets: list[NamedSet],
    ) -> None:
        self.clusterings, self.sets = clusterings, sets
        self.store_path = Path(store.path)
        self.stamp: Stamp = None
        self.error: TvaeError | OSError | None = None
        self.overtaken = False
        self._notes, self._before = notes, before
        self._known: Any = _Known(
            store.path, store.images, store.identity, store.prints, store.weights_sha256
        )
        self._done = threading.Event()

    def run(self) -> None:
        """Write the notes."""
        try:
            with changing(self.store_path):
                self.overtaken = stamp_of(self.store_path) != self._before
                if not self.overtaken:
                    save_sidecar(self._notes, self._known)
                    self.stamp = stamp_of(self.store_path)
        except (TvaeError, OSError) as error:
            self.error = error
        finally:
            self._done.set()

    def wait(self) -> None:
        """Wait until it is over."""
        self._done.wait()


def stamp_of(store_path: Path) -> Stamp:
    """Return what changes when anybody writes the notes on a store; None where there are none."""
    path = sidecar_path(store_path)
    if not path.exists():
        return None
    state = path.stat()
    return state.st_mtime_ns, state.st_ino
