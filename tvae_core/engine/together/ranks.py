"""The ranks of a run: which share of the images is whose, and what they tell each other.

Rank 0 writes, judges and speaks; the others compute their share and are silent. Started by torchrun
(`together.agent`), they find each other through its store. Nothing depends on how many they are:
noise is keyed by image, a batch is cut here and its gradients are averaged by
DistributedDataParallel, and whoever must decide hears it from rank 0.
"""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tvae_core.engine.together.watch import LOST, Watch, report_error
from tvae_core.errors import TvaeError

# a rank may wait for hours while rank 0 looks for a linear model; `Watch` sees who is lost
_WAIT = timedelta(days=30)


@dataclass(frozen=True)
class Ranks:
    """One rank among those of a run.

    Parameters
    ----------
    rank, size : int
        Which of how many.
    local, local_size : int
        Which of how many on this machine; `local` is the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def share(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this rank's share of images or blocks, which in rank order make the whole."""
        return np.array_split(indices, self.size)[self.rank]

    def threads(self, asked: int, cores: int) -> int:
        """Return how many CPU threads to use: those asked for, else a fair share of the cores."""
        return asked or max(1, cores // self.local_size)

    def summed(self, values: Tensor) -> Tensor:
        """Add up `values` over all ranks, in place, and return them."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def filled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `values` of which each rank has filled in its own part, and left zeros, whole."""
        return np.asarray(self.summed(torch.from_numpy(values)).numpy())

    def told(self, value: Any) -> Any:
        """Return what rank 0 has for `value`, which JSON can hold."""
        if self.size == 1:
            return value
        return json.loads(self.bytes_of_first(json.dumps(value).encode()))

    def bytes_of_first(self, content: bytes) -> bytes:
        """Return rank 0's `content`, which is not empty."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        torch.distributed.broadcast(length, 0)
        held = torch.zeros(int(length), dtype=torch.uint8)
        if self.is_first:
            held.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        torch.distributed.broadcast(held, 0)
        return held.numpy().tobytes()

    def from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give every rank rank 0's numbers of `tensors`, in place."""
        if self.size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.detach(), 0)

    def tensors_of_first(self, mine: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return rank 0's tensors, on the CPU; the others need have none."""
        about = self.told({k: [list(v.shape), str(v.dtype)] for k, v in mine.items()})
        for name, (shape, kind) in about.items():
            if not self.is_first:
                mine[name] = torch.empty(shape, dtype=getattr(torch, kind.removeprefix("torch.")))
        self.from_first(mine[name] for name in about)
        return mine

    def wait(self) -> None:
        """Wait until every rank has come here."""
        if self.size > 1:
            torch.distributed.all_reduce(torch.zeros(1))

    def check_agree(self, model: nn.Module) -> None:
        """Raise where the weights of the ranks are no longer the same.

        Raises
        ------
        RuntimeError
            A fault of the program or of a device.
        """
        if self.size == 1:
            return
        total = sum(float(p.detach().double().sum()) for p in model.parameters())
        if self.told(total) != total and not math.isnan(total):
            raise RuntimeError(f"the weights of rank {self.rank} are no longer those of rank 0")

    def averaging(self, module: nn.Module) -> nn.Module:
        """Return `module` so that its gradients are averaged over the ranks; itself when alone."""
        if self.size == 1:
            return module
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of names that are still to change
            return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)


ALONE = Ranks()


def apart(module: nn.Module) -> AbstractContextManager[object]:
    """Return a block whose gradients are kept back, to be averaged with those that follow."""
    if isinstance(module, nn.parallel.DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other ranks for the time of the block; `ALONE` where torchrun started none.

    However one ends, the others end too. A rank that is not the first ends in silence, with status
    0, when rank 0 ends for a reason of its own, which rank 0 tells. One that loses another ends
    with status `watch.LOST`. One with an error of its own leaves it to the agent.
    """
    if not torch.distributed.is_torchelastic_launched() or "RANK" not in os.environ:
        yield ALONE
        return
    ranks = Ranks(*(int(os.environ[name]) for name in _NAMES))
    if ranks.size == 1:
        yield ranks
        return
    watch = Watch(ranks.rank, ranks.size)
    watch.start()
    try:
        _join(ranks)
        yield ranks
        watch.leave()
        torch.distributed.destroy_process_group()
    except (Exception, KeyboardInterrupt) as error:
        _end(ranks, watch, error)
        raise


_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def _join(ranks: Ranks) -> None:
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(ranks.local % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend, timeout=_WAIT)


def _end(ranks: Ranks, watch: Watch, error: BaseException) -> None:
    """End as `joined` says; returns where the error is rank 0's own, or a fault to be shown."""
    if is_loss_of_a_rank(error):
        _leave(LOST if watch.has_lost_one or not watch.has_ended() else 0)
    if not ranks.is_first and (watch.has_ended() or isinstance(error, KeyboardInterrupt)):
        _leave(0)
    watch.ended()
    if isinstance(error, TvaeError | OSError):
        report_error(error)
    if not ranks.is_first and isinstance(error, TvaeError | OSError):
        _leave(error.exit_code if isinstance(error, TvaeError) else 3)


def _leave(status: int) -> NoReturn:
    """End the process as it stands: torch's threads would wait for ranks that have gone."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def is_loss_of_a_rank(error: BaseException) -> bool:
    """Return whether torch says that another rank no longer answers."""
    if isinstance(error, torch.distributed.DistError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and ("gloo" in words or "NCCL" in words)
