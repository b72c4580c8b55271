"""Frames as an animated GIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.export.stacks import percentile_range, to_bytes
from tvae_core.export.target import Exported, new_file, verify

Array = NDArray[Any]


def export_gif(
    frames: Array,
    path: Path | str,
    *,
    frames_per_second: float = 15.0,
    grey_range: tuple[float, float] | None = None,
    enlarge: int = 1,
    there_and_back: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write frames (n, h, w[, 3]) as a GIF that repeats.

    Parameters
    ----------
    frames : (n, h, w) or (n, h, w, 3)
    frames_per_second : float
        GIF counts hundredths of a second: 15 becomes 14.3.
    grey_range : (low, high), optional
        Values shown black and white, the same for all frames; percentiles of all when not given.
    enlarge : int
        Whole factor, nearest neighbour.
    there_and_back : bool
        Play backwards after the last frame.
    overwrite : bool

    Raises
    ------
    ImageFileError
        No frames, another kind of file, or the path is there already.
    """
    from PIL import Image

    path = Path(path)
    if not len(frames) or path.suffix.lower() != ".gif":
        raise ImageFileError("no frames, or not a .gif", path)
    pixels = to_bytes(frames, *(grey_range or percentile_range(frames)))
    pixels = pixels.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    order = [*range(len(pixels)), *(range(len(pixels) - 2, 0, -1) if there_and_back else ())]
    milliseconds = max(20, 10 * round(100 / frames_per_second))
    images = [Image.fromarray(pixels[n]) for n in order]
    with new_file(path, overwrite) as part:
        images[0].save(part, save_all=True, append_images=images[1:], duration=milliseconds, loop=0)
        verify(len(order) * milliseconds, _duration(part, milliseconds), path, "frames")
    return Exported(path, len(order))


def _duration(path: Path, single: int) -> int:
    """Milliseconds of all frames: equal neighbours are stored as one frame that stays longer."""
    from PIL import Image

    total = 0
    with Image.open(path) as movie:
        for number in range(getattr(movie, "n_frames", 1)):
            movie.seek(number)
            total += int(movie.info.get("duration", single))
    return total
