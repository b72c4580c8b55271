"""Is the time to go that is said after 20 steps right? Predicted and spent, in CPU seconds.

    python benchmarks/eta.py IMAGES [--epochs N] [--out FOLDER] [SECTION.NAME=VALUE ...]

The clock of the estimate is the CPU time of the process, so other jobs on the machine do not count:
what is compared is the share that validation, previews, the verdict and the embedding take beside
the steps. One line is printed: predicted after 20 steps, spent from there to the end of training,
and to the written store.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tvae_core.engine.training import train
from tvae_core.progress import Finished, Record
from tvae_core.runs.pace import TOLD_AFTER, Pace
from tvae_core.work.train import TrainRequest


def main() -> None:
    """Train once, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("settings", nargs="*", help="SECTION.NAME=VALUE")
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    said: dict[str, float] = {}
    watch(said)
    with tempfile.TemporaryDirectory() as folder:
        request = TrainRequest(
            folder=Path(folder) / "run",
            data=str(given.images),
            settings=(f"train.epochs={given.epochs}", "train.threads=1", *given.settings),
        )
        for record in request.records():
            if isinstance(record, Finished):
                said["store"] = time.process_time()
    spent = said["store"] - said["at"]
    trained = said["trained"] - said["at"]
    print(
        f"{given.images.name}, {given.epochs} epochs: predicted {said['left']:.1f} s after "
        f"{TOLD_AFTER} steps; spent {spent:.1f} s ({said['left'] / spent:.2f} of it), "
        f"{trained:.1f} s of them until the model was trained"
    )


def watch(said: dict[str, float]) -> None:
    """Let the trainer's clock be CPU time, and note what it says after the first steps."""

    class Watched(train.Trainer):
        """A trainer that notes its first estimate."""

        def __init__(self, *words: Any, **names: Any) -> None:
            super().__init__(*words, **names)
            self._pace = Pace(time.process_time)

        def _time_to_go(self) -> Iterator[Record]:
            if "left" not in said and self._pace.steps >= TOLD_AFTER:
                said["left"], said["at"] = self._left_s(), time.process_time()
            yield from ()

        def _finish(self) -> None:
            said["trained"] = time.process_time()
            super()._finish()

    train.Trainer = Watched  # type: ignore[misc]


if __name__ == "__main__":
    main()
