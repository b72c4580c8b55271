"""Detection of many objects (appendix A.4): precision and recall by density and overlap.

A model of single digits looks at fields of digits that it never saw, both ways: explaining away and
the paper's peaks, at the run's own threshold. The peaks are also tried with a model that looks for
shifts over the whole image, as the paper's does. A pick within 5 px of an object that has no nearer
pick is right.

    python benchmarks/detection.py digits-u | mnist-u [--data FOLDER] [--keep FOLDER] [--fields 4]
                                   [--picture OUT.png]

FOLDER of `--data` holds `mnist/`; the fields of mnist-u are MNIST(multi).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.picks import FieldPicks, Picks, agreement
from tvae_core.engine.detection.detect import Detector, DetectSettings
from tvae_core.engine.device import set_threads
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.figures import field_figure
from tvae_core.images.field import prepare_field
from tvae_core.presets import load_preset
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set
from tvae_core.synthetic.field import Layout, scatter
from tvae_core.synthetic.plan import ImagePlan

TOLERANCE_PX = 5.0
FIELD_PX, SEED = 150, 11
CASES = [(5, 0.0), (12, 0.0), (20, 0.0), (12, 0.3), (20, 0.5), (20, 0.7)]
COLUMNS = ("way", "objects drawn", "overlap", "objects", "precision", "recall",
           "place rms px", "s a field")  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Digits to learn, digits held out to look for, and the settings of the model."""

    learnt: Callable[[Path], ImagePlan]
    held_out: Callable[[Path], ImagePlan]
    settings: tuple[str, ...]


def _small_digits(test: bool) -> Callable[[Path], ImagePlan]:
    def plan(data: Path) -> ImagePlan:
        every = plan_set("digits-u")
        return part_of(every, np.flatnonzero(every.truth["test"] == test))

    return plan


def _mnist(first: int, last: int) -> Callable[[Path], ImagePlan]:
    def plan(data: Path) -> ImagePlan:
        names = {"images": "train-images-idx3-ubyte.gz", "labels": "train-labels-idx1-ubyte.gz"}
        paths = {name: data / "mnist" / file for name, file in names.items()}
        every = plan_set("mnist-u", count=last, side=36, shift_std=3.0, **paths)
        return part_of(every, np.arange(first, last))

    return plan


KINDS = {
    "digits-u": Kind(
        _small_digits(False), _small_digits(True),
        ("model.kernel_px=17", "model.shift_prior_std_px=2.0", "train.epochs=26"),
    ),
    "mnist-u": Kind(
        _mnist(0, 4000), _mnist(4000, 5000),
        ("model.kernel_px=21", "model.shift_prior_std_px=3.0", "train.epochs=10"),
    ),
}  # fmt: skip


def main() -> None:
    """Train both models where they are not kept, then print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--keep", type=Path, help="keep the runs here, or take them from there")
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    set_threads(1)
    kind = KINDS[arguments.kind]
    pool = kind.held_out(arguments.data)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        usual = _trained(kind, arguments.data, folder / "usual", ())
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
        _rows(usual, DetectSettings(explain=True), "explained away", pool, arguments)
        _rows(usual, DetectSettings(explain=False), "peaks, as A.4", pool, arguments)
        whole = _trained(kind, arguments.data, folder / "whole", ("model.shift_limit_sigmas=0",))
        words = "peaks, shifts over the whole image"
        _rows(whole, DetectSettings(explain=False), words, pool, arguments)


def part_of(plan: ImagePlan, chosen: NDArray[np.int64]) -> ImagePlan:
    """Return the plan of some of a plan's images, one object each."""
    truth = {name: column[chosen] for name, column in plan.truth.items()}
    truth["image"] = np.arange(len(chosen))
    return replace(
        plan, count=len(chosen), truth=truth, render=lambda some: plan.render(chosen[some])
    )


def _trained(kind: Kind, data: Path, folder: Path, settings: tuple[str, ...]) -> Path:
    run = RunFolder(folder / "run")
    if run.store.exists():
        return run.path
    images = write_set(kind.learnt(data), folder / "digits").stack
    own = (f"data.path={images}", "data.normalise=none", "train.threads=1")
    run.create(load_preset("fast-cpu").changed([*own, *kind.settings, *settings]))
    for _ in train(run):
        pass
    for _ in embed(run):
        pass
    return run.path


def _rows(
    run: Path, settings: DetectSettings, way: str, pool: ImagePlan, arguments: argparse.Namespace
) -> None:
    with EmbeddingStore(run) as store:
        detector = Detector(store, settings)
        for objects, overlap in CASES:
            _row(detector, pool, way, objects, overlap, arguments.fields)
        print(f"<!-- {detector.calibration.words()} -->", flush=True)
        if settings.explain and arguments.picture:
            found, _, _ = _searched(detector, pool, 20, 0.5, 1)
            lowest = detector.calibration.confidence.threshold
            field_figure(arguments.picture, found[0], lowest, overwrite=True)


def _searched(
    detector: Detector, pool: ImagePlan, objects: int, overlap: float, fields: int
) -> tuple[list[FieldPicks], dict[str, np.ndarray], float]:
    layout = Layout(fields, FIELD_PX, objects, overlap, SEED)
    made = scatter(pool, layout, float("inf"), clip=True).whole()
    began, found = time.monotonic(), []
    for number, image in enumerate(made.images):
        data = detector.header.config.data
        field = prepare_field(image, data, detector.model.side, 1.0, image.dtype)
        found.append(detector.detect(field, number))
    return found, made.truth, (time.monotonic() - began) / fields


def _row(
    detector: Detector, pool: ImagePlan, way: str, objects: int, overlap: float, fields: int
) -> None:
    found, truth, seconds = _searched(detector, pool, objects, overlap, fields)
    every = Picks.joined([one.picks for one in found])
    kept = every.chosen(every.confidence >= detector.calibration.confidence.threshold)
    places = np.stack([truth["x_px"], truth["y_px"]], 1)
    figures, _ = agreement(kept, truth["image"], places, TOLERANCE_PX)
    row = (way, str(objects), f"{overlap:.1f}", str(figures.objects),
           f"{figures.precision:.3f}", f"{figures.recall:.3f}", f"{figures.rms_px:.2f}",
           f"{seconds:.1f}")  # fmt: skip
    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
