"""The objects of large images as images of a run: boxes and their places, kept in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tvae_core.config import RunConfig
from tvae_core.export.stacks import export_images
from tvae_core.export.target import new_file, verify
from tvae_core.images.boxes import BoxedStack
from tvae_core.images.ranges import set_range
from tvae_core.images.stack import ImageStack
from tvae_core.particles.star import read_star
from tvae_core.runs.folder import RunFolder

_COLUMNS = (
    "rlnImageName",
    "rlnMicrographName",
    "rlnCoordinateX",
    "rlnCoordinateY",
    "rlnAutopickFigureOfMerit",
)
_DECIMALS = 3


def with_objects(run: RunFolder, config: RunConfig, stack: ImageStack) -> RunConfig:
    """Return the config of a run on these images; those cut out of large ones are written first.

    Grey boxes become `objects/particles.mrcs` in the run, with `particles.star`, the table that
    names the large image and the place of each as RELION does. Boxes in colour become
    `objects/images.npy`, beside the same table as `picks.star`.

    Raises
    ------
    ImageFileError
        They cannot be read, or written.
    """
    if not isinstance(stack, BoxedStack) or stack.picked is None:
        return config.changed(["data.pick=no"])
    folder = run.objects
    folder.mkdir(exist_ok=True)
    is_grey = stack.channels == 1
    images = folder / ("particles.mrcs" if is_grey else "images.npy")
    export_images(
        stack, np.arange(len(stack)), images,
        pixel_size_angstrom=stack.pixel_size_angstrom, overwrite=True,
    )  # fmt: skip
    table = folder / ("particles.star" if is_grey else "picks.star")
    _write_table(stack, images.name, table)
    data = config.data.model_copy(update={"path": str((table if is_grey else images).absolute())})
    data = data.model_copy(update={"pick": "yes", "box_px": stack.picked.box_px})
    data = data.model_copy(update={"dataset": "", "axes": "", "channel": "", "image_root": ""})
    found = set_range(config.data, stack.dtype) if stack.dtype.kind in "iu" else None
    if found is not None:  # they lie there as floats, whose type has no range of its own
        known = {"range": "set", "black": found.low, "full_scale": found.high}
        data = data.model_copy(update=known)
    return config.model_copy(update={"data": data})


def _write_table(stack: BoxedStack, images: str, path: Path) -> None:
    found = stack.picked
    assert found is not None
    names = stack.field_names()
    lines = ["", "data_", "", "loop_", *(f"_{name} #{n}" for n, name in enumerate(_COLUMNS, 1))]
    middle = found.corner + found.box_px // 2  # where the boxes are cut: whole pixels, as RELION's
    rows = zip(found.field.tolist(), middle.tolist(), found.score.tolist(), strict=True)
    for number, (field, (row, column), score) in enumerate(rows, 1):
        name = names[field]
        quoted = f'"{name}"' if any(c.isspace() for c in name) else name
        places = f"{column:.{_DECIMALS}f} {row:.{_DECIMALS}f} {score:.{_DECIMALS}f}"
        lines.append(f"{number:06d}@{images} {quoted} {places}")
    with new_file(path, overwrite=True) as part:
        part.write_text("\n".join([*lines, ""]) + "\n", encoding="utf-8")
        again = read_star(part).column(_COLUMNS[1]).tolist()
        verify([names[field] for field in found.field.tolist()], again, path, "objects")
