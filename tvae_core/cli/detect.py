"""`tvae detect RUN IMAGE`: find the objects in larger images with a trained run.

Each object's place, angle, content and confidence. The confidence is the probability that a pick is
an object, found on fields put together from the run's own images; the threshold is the lowest at
which no more than 1 in 20 picks was false there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tvae_core.cli.reporting import move
from tvae_core.errors import ConfigError

if TYPE_CHECKING:
    from tvae_core.analysis.picks import FieldPicks, Picks
    from tvae_core.synthetic.plan import TrueColumns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae detect`."""
    parser.description = __doc__
    parser.add_argument("run", help="folder of a run, or a store")
    parser.add_argument("image", help="a micrograph, picture or stack of fields (any kind read)")
    parser.add_argument(
        "-o", "--output", action="append", default=[], metavar="FILE",
        help=".star (RELION coordinates), .box (EMAN) or .csv; repeatable",
    )  # fmt: skip
    parser.add_argument("--threshold", type=float, help="lowest confidence, 0 to 1")
    parser.add_argument(
        "--peaks", action="store_true",
        help="the peaks of the attention alone, as in the paper; nothing is explained away",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=float, default=0.0, help="the model's pixel over the image's"
    )
    parser.add_argument(
        "--bad-pixels", choices=("refuse", "zero", "mean"),
        help="NaN and infinite pixels of the image; otherwise as the run did with its own",
    )  # fmt: skip
    parser.add_argument("--box", type=int, default=0, metavar="PX", help="side of an EMAN box")
    parser.add_argument("--picture", metavar="FILE", help="the first image with its picks, .png")
    parser.add_argument(
        "--truth", metavar="CSV", help="of `tvae synth field`: precision and recall"
    )
    parser.add_argument("--data", default="", help="the run's images, when they moved")
    parser.add_argument("--seed", type=int, default=0, help="which images set the threshold")
    parser.add_argument("--device", default="", help="auto, cpu, cuda or cuda:N; the run's own")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--overwrite", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Find, write, report."""
    from tvae_core.engine.detection.detect import Detector, DetectSettings, detect
    from tvae_core.store import EmbeddingStore

    threshold = arguments.threshold
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise ConfigError("--threshold is a confidence between 0 and 1")
    if arguments.scale < 0 or arguments.box < 0:
        raise ConfigError("--scale and --box must be positive")
    _check_files(arguments)
    truth = _read_truth(Path(arguments.truth)) if arguments.truth else None
    settings = DetectSettings(
        not arguments.peaks,
        arguments.scale,
        seed=arguments.seed,
        bad_pixels=arguments.bad_pixels,
        device=arguments.device,
    )
    with (
        EmbeddingStore(arguments.run) as store,
        tqdm(total=100, disable=not sys.stderr.isatty(), leave=False) as bar,
    ):
        detector = Detector(store, settings, arguments.data)
        found = [
            one if one.image == 0 and arguments.picture else one.without_pixels()
            for one in detect(detector, arguments.image, lambda share: move(bar, share))
        ]
    calibration = detector.calibration
    lowest = calibration.confidence.threshold if threshold is None else threshold
    kept = _kept(found, lowest)
    figures = {
        "images": len(found),
        "picks": len(kept),
        "threshold": lowest,
        "calibration": calibration.words(),
        "object_radius_px": round(found[0].radius_px, 2),
    }
    if truth is not None:
        figures |= _compared(kept, truth, found[0].radius_px)
    _show(figures, arguments.json)
    _write(arguments, found, kept, lowest)
    return 0


def _check_files(arguments: argparse.Namespace) -> None:
    """Refuse what could not be written or must not be replaced, before minutes of work."""
    from tvae_core.export.picks import pick_files
    from tvae_core.export.target import refuse_existing
    from tvae_core.figures import check_figure
    from tvae_core.images.opening import open_stack

    with open_stack(arguments.image) as stack:
        images = len(stack)
    targets = [file for output in arguments.output for file in pick_files(output, images)]
    for file in targets:
        refuse_existing(file, arguments.overwrite)
    if arguments.picture:
        check_figure(Path(arguments.picture), arguments.overwrite)
        targets.append(Path(arguments.picture))
    for file in targets:
        if file.exists() and file.samefile(arguments.image):
            raise ConfigError("is the image itself; it is not replaced", file, "choose a name")


def _kept(found: list[FieldPicks], lowest: float) -> Picks:
    from tvae_core.analysis.picks import Picks

    every = Picks.joined([one.picks for one in found])
    return every.chosen(every.confidence >= lowest)


def _read_truth(file: Path) -> TrueColumns:
    from tvae_core.synthetic.write import read_truth

    if not file.is_file():
        raise ConfigError("no such file", file)
    truth = read_truth(file)
    if not {"image", "x_px", "y_px"} <= set(truth):
        raise ConfigError("the truth needs the columns image, x_px and y_px", file)
    return truth


def _compared(kept: Picks, truth: TrueColumns, radius_px: float) -> dict[str, float]:
    """Return precision and recall: a pick within half the radius of an object is that object."""
    import numpy as np

    from tvae_core.analysis.picks import agreement

    places = np.stack([truth["x_px"], truth["y_px"]], 1)
    found, _ = agreement(kept, truth["image"], places, max(2.0, 0.5 * radius_px))
    return {
        "objects": found.objects, "precision": found.precision, "recall": found.recall,
        "place_rms_px": found.rms_px,
    }  # fmt: skip


def _show(figures: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{figures['picks']:,} objects in {figures['images']:,} images")
    print(figures["calibration"])
    if "precision" in figures:
        print(
            f"precision {figures['precision']:.3f}, recall {figures['recall']:.3f} of "
            f"{figures['objects']:,}, places {figures['place_rms_px']:.2f} px (rms)"
        )


def _write(
    arguments: argparse.Namespace, found: list[FieldPicks], kept: Picks, lowest: float
) -> None:
    from tvae_core.export.picks import export_picks
    from tvae_core.figures import field_figure

    radius = found[0].radius_px
    for output in arguments.output:
        written = export_picks(
            kept, output, source=arguments.image, shape=found[0].raw_shape, images=len(found),
            box_px=arguments.box or 2 * round(1.5 * radius), overwrite=arguments.overwrite,
        )  # fmt: skip
        for done in written:
            print(f"{done.count:,} picks -> {done.path}", file=sys.stderr)
    if arguments.picture:
        field_figure(arguments.picture, found[0], lowest, overwrite=arguments.overwrite)
        print(arguments.picture, file=sys.stderr)
