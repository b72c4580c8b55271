"""Figures for print: the latent plane and a grid of decoded images, as PNG, SVG or PDF.

Pure functions from arrays to a file. Points beyond 20,000 are drawn as a density, so a vector file
stays small. Text stays text in SVG and PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from tvae_core.analysis.picks import FieldPicks
from tvae_core.analysis.support import density_image, label_image, robust_range, value_image
from tvae_core.colours import CLASS_COLOURS, UNASSIGNED, UNASSIGNED_COLOUR, class_colours
from tvae_core.errors import ConfigError, ImageFileError
from tvae_core.files import atomic_write

Array = NDArray[np.floating]
P = ParamSpec("P")

MAGNITUDE_MAP, ANGLE_MAP = "cividis", "twilight"

DOTS_AN_INCH = 300

_POINTS_DRAWN = 20_000
_NO_CLASS = -1
_BINS = 400
_SUFFIXES = (".png", ".svg", ".pdf")
_STYLE = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


def _styled(draw: Callable[P, Path]) -> Callable[P, Path]:
    """Draw with this page's style, whatever the user's matplotlib settings are."""

    @wraps(draw)
    def styled(*args: P.args, **options: P.kwargs) -> Path:
        import matplotlib

        with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE}):
            return draw(*args, **options)

    return styled


@_styled
def plane_figure(
    path: Path | str,
    xy: Array,
    *,
    labels: NDArray[np.integer] | None = None,
    names: Sequence[str] = (),
    colours: Sequence[str] = (),
    values: Array | None = None,
    value_name: str = "",
    cyclic: bool = False,
    axes: tuple[str, str] = ("z1", "z2"),
    size_cm: float = 9.0,
    overwrite: bool = False,
) -> Path:
    """Draw the latent plane: coloured by class, by a value, or by density when neither is given.

    Parameters
    ----------
    path : Path or str
        `.png` (300 dots an inch), `.svg` or `.pdf`.
    xy : (N, 2)
    labels : (N,) int, optional
        Classes from 0; below 0 is drawn as unassigned. `names` and `colours` go with them;
        classes without a colour take one of the ten.
    values : (N,), optional
        A value, `value_name` with its unit; with `cyclic` an angle in radians.
    axes : (str, str)
    size_cm : float
        Width and height of the figure.
    overwrite : bool

    Raises
    ------
    ImageFileError
        Another kind of file, or the path is there already.
    ConfigError
        Both labels and values are given.
    """
    if labels is not None and values is not None:
        raise ConfigError("a plane is coloured by classes or by a value, not both")
    figure, drawing = _figure(size_cm, size_cm)
    extent = robust_range(xy)
    if labels is not None:
        _draw_classes(drawing, xy, labels, names, colours, extent)
    elif values is not None:
        _draw_values(figure, drawing, xy, values, value_name, cyclic, extent)
    else:
        _draw_density(figure, drawing, xy, extent)
    drawing.set(xlim=extent[0], ylim=extent[1], xlabel=axes[0], ylabel=axes[1])
    drawing.set_aspect("equal")
    drawing.locator_params(nbins=5)
    return _save(figure, Path(path), overwrite)


@_styled
def montage_figure(
    path: Path | str,
    images: NDArray[np.floating | np.integer],
    columns: int | None = None,
    *,
    grey_range: tuple[float, float] | None = None,
    captions: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Draw images (n, h, w[, 3]) side by side, row by row, with one grey range for all.

    An atlas (G, G, h, w[, 3]) is drawn as it lies in the plane: its first row at the bottom.
    """
    tiles = np.asarray(images)
    if tiles.ndim == 5 or (tiles.ndim == 4 and tiles.shape[-1] not in (1, 3)):
        columns = tiles.shape[1]
        tiles = tiles[::-1].reshape(-1, *tiles.shape[2:])
    across = columns or int(np.ceil(np.sqrt(len(tiles))))
    low, high = grey_range or np.percentile(tiles, [0.5, 99.5])
    sheet = montage(tiles, across)
    width_cm = 16.0
    figure, drawing = _figure(width_cm, width_cm * sheet.shape[0] / sheet.shape[1], bare=True)
    grey = np.clip((sheet - low) / max(high - low, 1e-12), 0, 1)
    drawing.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    height, width = tiles.shape[1:3]
    for number, text in enumerate(captions[: len(tiles)]):
        row, column = divmod(number, across)
        drawing.text(
            column * (width + 1) + 1, row * (height + 1) + 1, text, va="top", color="white", size=6
        )
    return _save(figure, Path(path), overwrite)


@_styled
def field_figure(
    path: Path | str, found: FieldPicks, lowest: float, *, overwrite: bool = False
) -> Path:
    """Draw a field with its picks, and beside it its objects as drawn.

    A circle holds an object; its line points along the object's angle. Picks of less confidence
    than `lowest` are left out.
    """
    figure, left = _figure(18.0, 9.5)
    left.remove()
    picks = found.picks.chosen(found.picks.confidence >= lowest)
    height, width = found.raw_shape
    column, row = picks.pixels(height, width)
    low, high = np.percentile(found.values, [0.5, 99.5])
    for place, values in enumerate((found.values, found.drawn), 1):
        drawing = figure.add_subplot(1, 2, place)
        drawing.set_axis_off()
        shown = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
        sheet = shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
        drawing.imshow(sheet, cmap="gray", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        if place == 2:
            continue
        turn = np.linspace(0, 2 * np.pi, 48)
        for x, y, angle in zip(column, row, picks.angle_rad, strict=True):
            r = found.radius_px
            drawing.plot(x + r * np.cos(turn), y - r * np.sin(turn), color="#DDCC77", lw=0.7)
            drawing.plot([x, x + r * np.cos(angle)], [y, y - r * np.sin(angle)],
                         color="#DDCC77", lw=0.7)  # fmt: skip
    return _save(figure, Path(path), overwrite)


@_styled
def confusion_figure(
    path: Path | str, counts: NDArray[np.integer], names: Sequence[str], overwrite: bool = False
) -> Path:
    """Draw counts (labels, clusters) as a matrix, shares of a label in grey, counts in figures."""
    from matplotlib.colors import to_rgba

    side_cm = float(np.clip(2.5 + 0.85 * len(counts), 6.0, 20.0))
    figure, drawing = _figure(side_cm, side_cm)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    drawing.imshow(share, cmap="Greys", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        ink = to_rgba("white" if share[row, column] > 0.5 else "black")
        drawing.text(column, row, f"{number:,}", ha="center", va="center", size=6, color=ink)
    places = np.arange(len(counts))
    drawing.set_yticks(places, labels=list(names))
    drawing.set_xticks(places, labels=list(names), rotation=90 * (max(map(len, names)) > 3))
    drawing.set(xlabel="cluster, by the label it is matched with", ylabel="label")
    return _save(figure, Path(path), overwrite)


@_styled
def rotation_figure(
    path: Path | str,
    found_rad: Array,
    true_rad: Array,
    labels: NDArray[np.integer] | None = None,
    names: Sequence[str] = (),
    *,
    overwrite: bool = False,
) -> Path:
    """Draw inferred against true rotations, one panel a class (paper figure 7).

    found_rad (x axis) and true_rad (y axis) are (N,) radians; labels (N,) from 0, or None for one
    panel. At most twenty classes are drawn.
    """
    from matplotlib.figure import Figure

    classes = [None] if labels is None else [int(k) for k in np.unique(labels[labels >= 0])[:20]]
    across = min(5, len(classes))
    rows = -(-len(classes) // across)
    panel_cm = 8.0 if len(classes) == 1 else 3.6
    size = (panel_cm * across / 2.54 + 0.4, (panel_cm + 0.2) * rows / 2.54 + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, across, sharex=True, sharey=True, squeeze=False)
    ticks = ([-np.pi, 0, np.pi], ["-π", "0", "π"])
    for panel, label in zip(panels.ravel(), classes, strict=False):
        chosen = slice(None) if label is None else labels == label
        wrapped = [(angle[chosen] + np.pi) % (2 * np.pi) - np.pi for angle in (found_rad, true_rad)]
        _draw_points(panel, np.stack(wrapped, 1), color=CLASS_COLOURS[(label or 0) % 10])
        name = "" if label is None else names[label] if label < len(names) else str(label)
        panel.set(xlim=(-np.pi, np.pi), ylim=(-np.pi, np.pi), aspect="equal", title=name)
        panel.set_xticks(*ticks)
        panel.set_yticks(*ticks)
    for panel in panels.ravel()[len(classes) :]:
        panel.set_axis_off()
    figure.supxlabel("inferred rotation")
    figure.supylabel("true rotation")
    return _save(figure, Path(path), overwrite)


def montage(images: NDArray[np.floating | np.integer], columns: int) -> NDArray[np.float64]:
    """Return images (n, h, w[, 3]) on one sheet with a line of their highest value between them."""
    n, height, width = images.shape[:3]
    rows = -(-n // columns)
    shape = (rows * (height + 1) - 1, columns * (width + 1) - 1, *images.shape[3:])
    sheet = np.full(shape, float(images.max()))
    for number, image in enumerate(images):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def _draw_classes(
    drawing: Any,
    xy: Array,
    labels: NDArray[np.integer],
    names: Sequence[str],
    colours: Sequence[str],
    extent: Any,
) -> None:
    from matplotlib.colors import to_rgba

    present = [int(label) for label in np.unique(labels[labels >= 0])]
    every = (*colours, *class_colours(max(present, default=-1) + 1)[len(colours) :])
    shades = {label: every[label] for label in present}
    if len(xy) > _POINTS_DRAWN:
        winner = label_image(xy, labels, extent, (_BINS, _BINS))
        sheet = np.zeros((*winner.shape, 4))
        sheet[density_image(xy, extent, (_BINS, _BINS)) > 0] = to_rgba(UNASSIGNED_COLOUR)
        for label, shade in shades.items():
            sheet[winner == label] = to_rgba(shade)
        _draw_sheet(drawing, sheet, extent)
    else:
        shown = np.array([to_rgba(UNASSIGNED_COLOUR)] * len(xy))
        for label, shade in shades.items():
            shown[labels == label] = to_rgba(shade)
        _draw_points(drawing, xy, c=shown)
    if (labels < 0).any():
        shades[_NO_CLASS] = UNASSIGNED_COLOUR
    for label, shade in shades.items():
        name = _class_name(label, names)
        count = f"{np.count_nonzero(np.maximum(labels, _NO_CLASS) == label):,}"
        drawing.plot([], [], "o", ms=4, mec="none", color=shade, label=f"{name}  {count}")
    drawing.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2, frameon=False)


def _class_name(label: int, names: Sequence[str]) -> str:
    if label < 0:
        return UNASSIGNED
    return names[label] if label < len(names) else str(label)


def _draw_values(
    figure: Any, drawing: Any, xy: Array, values: Array, name: str, cyclic: bool, extent: Any
) -> None:
    finite = values[np.isfinite(values)]
    low, high = (-np.pi, np.pi) if cyclic else np.quantile(finite, [0.01, 0.99])
    look = {"cmap": ANGLE_MAP if cyclic else MAGNITUDE_MAP, "vmin": low, "vmax": high}
    if len(xy) > _POINTS_DRAWN:
        sheet = value_image(xy, values, extent, (_BINS, _BINS), cyclic)
        drawn = _draw_sheet(drawing, sheet, extent, **look)
    else:
        drawn = _draw_points(drawing, xy, c=values, **look)
    bar = figure.colorbar(drawn, ax=drawing, label=name, shrink=0.6, aspect=16)
    bar.outline.set_visible(False)
    if cyclic:
        bar.set_ticks([-np.pi, 0, np.pi], labels=["-π", "0", "π"])


def _draw_density(figure: Any, drawing: Any, xy: Array, extent: Any) -> None:
    from matplotlib.colors import LogNorm

    bins = int(np.clip(np.sqrt(len(xy)) / 1.5, 40, _BINS))
    count = density_image(xy, extent, (bins, bins)).astype(float)
    count[count == 0] = np.nan
    norm = LogNorm(1, max(2.0, float(np.nanmax(count, initial=2.0))))
    drawn = _draw_sheet(drawing, count, extent, cmap=MAGNITUDE_MAP, norm=norm)
    bar = figure.colorbar(drawn, ax=drawing, label="images per cell", shrink=0.6, aspect=16)
    bar.outline.set_visible(False)


def _draw_points(drawing: Any, xy: Array, **look: Any) -> Any:
    area = float(np.clip(6_000 / max(len(xy), 1), 0.5, 16.0))
    return drawing.scatter(xy[:, 0], xy[:, 1], s=area, linewidths=0, rasterized=True, **look)


def _draw_sheet(drawing: Any, sheet: Array, extent: Any, **look: Any) -> Any:
    corners = (*extent[0], *extent[1])
    return drawing.imshow(
        sheet, origin="lower", extent=corners, aspect="auto", interpolation="nearest", **look
    )


def _figure(width_cm: float, height_cm: float, bare: bool = False) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    layout: Any = "none" if bare else "constrained"
    figure = Figure(figsize=(width_cm / 2.54, height_cm / 2.54), layout=layout)
    drawing = figure.add_axes((0, 0, 1, 1)) if bare else figure.add_subplot()
    if bare:
        drawing.set_axis_off()
    return figure, drawing


def check_figure(path: Path, overwrite: bool) -> None:
    """Raise an ImageFileError where no figure can be saved at a path, before one is made."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ImageFileError(
            f"figures cannot be written as {path.suffix!r}", path, "use .png, .svg or .pdf"
        )
    if path.exists() and not overwrite:
        raise ImageFileError("already there", path, "choose another name or allow overwriting")


def _save(figure: Any, path: Path, overwrite: bool) -> Path:
    check_figure(path, overwrite)
    with atomic_write(path) as part:
        figure.savefig(part, dpi=DOTS_AN_INCH, bbox_inches="tight", pad_inches=0.05)
    return path
