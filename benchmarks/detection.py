"""Detection of many objects (appendix A.4): precision and recall by density and overlap.

A digits-u model (24 px, P8, z 2, the `fast-cpu` preset, 26 passes, one core) looks at `field`
images of 150 px; both ways, explaining away and the paper's peaks, at the run's own threshold. A
pick within 5 px of an object that has no nearer pick is right.

    python benchmarks/detection.py [--run FOLDER] [--fields 4] [--picture OUT.png]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tvae_core.analysis.picks import FieldPicks, Picks, agreement
from tvae_core.config import load_preset
from tvae_core.engine.detect import Detector, DetectSettings
from tvae_core.engine.device import set_threads
from tvae_core.engine.embed import embed
from tvae_core.engine.run_folder import RunFolder
from tvae_core.engine.train import train
from tvae_core.figures import field_figure
from tvae_core.images.field import prepare_field
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

TOLERANCE_PX = 5.0
CASES = [(5, 0.0), (12, 0.0), (20, 0.0), (12, 0.3), (20, 0.5), (20, 0.7)]
COLUMNS = ("way", "objects drawn", "overlap", "objects", "precision", "recall",
           "place rms px", "s a field")  # fmt: skip


def main() -> None:
    """Train where no run is given, then print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    set_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        run = arguments.run or _trained(Path(scratch))
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
        with EmbeddingStore(run) as store:
            for explain in (True, False):
                detector = Detector(store, DetectSettings(explain))
                for objects, overlap in CASES:
                    _row(detector, objects, overlap, arguments.fields)
                print(f"<!-- {detector.calibration.words()} -->", flush=True)
                if explain and arguments.picture:
                    found, _, _ = _searched(detector, 20, 0.5, 1)
                    lowest = detector.calibration.confidence.threshold
                    field_figure(arguments.picture, found[0], lowest, overwrite=True)


def _trained(folder: Path) -> Path:
    images = write_set(plan_set("digits-u"), folder / "digits").stack
    config = load_preset("fast-cpu").changed(
        [f"data.path={images}", "data.normalise=none", "model.kernel_px=17",
         "model.shift_prior_std_px=2.0", "train.epochs=26", "train.threads=1"]
    )  # fmt: skip
    run = RunFolder(folder / "run")
    run.create(config)
    for _ in train(run):
        pass
    for _ in embed(run):
        pass
    return run.path


def _searched(
    detector: Detector, objects: int, overlap: float, fields: int
) -> tuple[list[FieldPicks], dict[str, np.ndarray], float]:
    options = {"count": fields, "side": 150, "objects": objects, "overlap": overlap, "seed": 5}
    made = plan_set("field", **options).whole()
    began, found = time.monotonic(), []
    for number, image in enumerate(made.images):
        data = detector.header.config.data
        field = prepare_field(image, data, detector.model.side, 1.0, image.dtype)
        found.append(detector.detect(field, number))
    return found, made.truth, (time.monotonic() - began) / fields


def _row(detector: Detector, objects: int, overlap: float, fields: int) -> None:
    found, truth, seconds = _searched(detector, objects, overlap, fields)
    every = Picks.joined([one.picks for one in found])
    kept = every.chosen(every.confidence >= detector.calibration.confidence.threshold)
    places = np.stack([truth["x_px"], truth["y_px"]], 1)
    figures, _ = agreement(kept, truth["image"], places, TOLERANCE_PX)
    way = "explained away" if detector.settings.explain else "peaks, as A.4"
    row = (way, str(objects), f"{overlap:.1f}", str(figures.objects),
           f"{figures.precision:.3f}", f"{figures.recall:.3f}", f"{figures.rms_px:.2f}",
           f"{seconds:.1f}")  # fmt: skip
    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
