"""Detecting: the objects of larger images, found with a trained run, written and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from tvae_core.errors import ConfigError
from tvae_core.images_of import IMAGES_AT
from tvae_core.progress import Cancel
from tvae_core.store import EmbeddingStore
from tvae_core.work.choosing import STORE
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

if TYPE_CHECKING:
    from tvae_core.analysis.picks import Calibration, FieldPicks, Picks
    from tvae_core.export.target import Exported


@dataclass(frozen=True)
class Detected:
    """What was found in the images of a file, what its confidence rests on, what was written."""

    path: Path
    calibration: Calibration
    fields: tuple[FieldPicks, ...]
    written: tuple[Exported, ...] = ()

    def kept(self, threshold: float) -> Picks:
        """Return the picks of all images that are at least so sure, 0 to 1."""
        from tvae_core.analysis.picks import Picks

        every = Picks.joined([one.picks for one in self.fields])
        return every.chosen(every.confidence >= threshold)


@dataclass(frozen=True)
class FieldPixels:
    """The pixels (H, W[, 3]) of one image of a file, and how large one is where it says so."""

    image: int
    values: NDArray[Any]
    pixel_size_angstrom: float | None


class DetectRequest(Request):
    """With which run to look at which image, and where the picks go."""

    name: ClassVar[str] = "detect"

    store: Annotated[Path, Place(STORE)]
    image: Annotated[Path, Place("a micrograph, picture or stack of fields (any kind read)")]
    outputs: Annotated[
        tuple[Path, ...],
        Option(
            ".star (RELION coordinates), .box (EMAN) or .csv; repeatable",
            flag="--output",
            short="-o",
            metavar="FILE",
        ),
    ] = ()
    threshold: Annotated[
        float | None,
        Option("lowest confidence, 0 to 1; by default where 1 in 20 picks is false", metavar="P"),
        Field(ge=0, le=1),
    ] = None
    peaks: Annotated[
        bool,
        Option("use the attention peaks alone, as in the paper, without explaining away"),
    ] = False
    scale: Annotated[
        float,
        Option("pixel size of the model over that of the image; 0: as files say", metavar="X"),
        Field(ge=0),
    ] = 0.0
    bad_pixels: Annotated[
        Literal["refuse", "zero", "mean"] | None,
        Option("what to do with NaN and infinite pixels; by default as in the run"),
    ] = None
    box: Annotated[
        int,
        Option("side of an EMAN box; 0: three times the objects' radius", metavar="PX"),
        Field(ge=0),
    ] = 0
    picture: Annotated[
        Path | None, Option("the first image with its picks, .png", metavar="FILE")
    ] = None
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH", old=("--data",))] = ""
    seed: Annotated[
        int, Option("seed of the choice of images that set the threshold", metavar="N"), Field(ge=0)
    ] = 0
    device: Annotated[
        str, Option("auto, cpu, cuda or cuda:N; by default that of the run", metavar="NAME")
    ] = ""
    overwrite: Annotated[bool, Option("replace existing files")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Detected:
        """Find the objects of every image, write and draw them; see `Request.run`."""
        self._check_files()
        found = self.find(progress, cancelled, lambda image: image == 0 and bool(self.picture))
        return replace(found, written=tuple(self.write(found)))

    def find(
        self,
        progress: Progress = quiet,
        cancelled: Cancel = never,
        keeps_pixels: Callable[[int], bool] = lambda image: True,
    ) -> Detected:
        """Return the objects of every image and write nothing; raises as `run`.

        `keeps_pixels` says of which image the pixels are kept, by its number from 0.
        """
        from tvae_core.engine.detection.detect import Detector, DetectSettings, detect

        settings = DetectSettings(
            not self.peaks,
            self.scale,
            seed=self.seed,
            bad_pixels=self.bad_pixels,
            device=self.device,
        )
        with EmbeddingStore(self.store) as store:
            detector = Detector(store, settings, self.images_at, cancelled)
            fields = tuple(
                one if keeps_pixels(one.image) else one.without_pixels()
                for one in detect(detector, self.image, lambda share: progress(share, "fields"))
            )
        return Detected(self.image, detector.calibration, fields)

    def look(self, field: FieldPicks, places_px: NDArray[Any]) -> Picks:
        """Return what the encoder sees at places (n, 2) of an image that `find` returned.

        Places are (x, y) from the image centre, pixels of the file, y up; raises as `run`.
        """
        from tvae_core.engine.detection.by_hand import looked_at

        with EmbeddingStore(self.store) as store:
            return looked_at(store, field, places_px, self.device)

    def pixels(self, image: int) -> FieldPixels:
        """Return an image of the file as it lies there; raises as `run`."""
        from tvae_core.images.opening import open_stack

        with open_stack(self.image) as stack:
            return FieldPixels(image, stack.read([image])[0], stack.pixel_size_angstrom)

    def lowest(self, found: Detected) -> float:
        """Return the lowest confidence of the picks that are written."""
        return found.calibration.confidence.threshold if self.threshold is None else self.threshold

    def _check_files(self) -> None:
        """Refuse what could not be written or must not be replaced, before minutes of work."""
        from tvae_core.export.picks import pick_files
        from tvae_core.export.target import refuse_existing
        from tvae_core.figures import check_figure
        from tvae_core.images.opening import open_stack

        with open_stack(self.image) as stack:
            images = len(stack)
        targets = [file for output in self.outputs for file in pick_files(output, images)]
        for file in targets:
            refuse_existing(file, self.overwrite)
        if self.picture:
            check_figure(self.picture, self.overwrite)
            targets.append(self.picture)
        for file in targets:
            if file.exists() and file.samefile(self.image):
                raise ConfigError("would replace the image itself", file, "choose a name")

    def write(self, found: Detected) -> list[Exported]:
        """Write and draw what was found as asked for, and read it back; raises as `run`."""
        from tvae_core.export.picks import export_picks
        from tvae_core.figures import field_figure

        first, lowest = found.fields[0], self.lowest(found)
        box = self.box or 2 * round(1.5 * first.radius_px)
        written = [
            done
            for output in self.outputs
            for done in export_picks(
                found.kept(lowest), output, source=str(self.image), shape=first.raw_shape,
                images=len(found.fields), box_px=box, overwrite=self.overwrite,
            )
        ]  # fmt: skip
        if self.picture:
            field_figure(self.picture, first, lowest, overwrite=self.overwrite)
        return written
