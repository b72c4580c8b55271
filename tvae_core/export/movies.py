"""Frames as an animated GIF, or as an MP4 where the package imageio-ffmpeg is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ImageFileError
from tvae_core.export.stack_files import percentile_range, to_bytes
from tvae_core.export.target import Exported, new_file, verify

Array = NDArray[np.floating]


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
    pixels = _pixels(frames, path, ".gif", grey_range, enlarge)
    order = _order(len(pixels), there_and_back)
    milliseconds = max(20, 10 * round(100 / frames_per_second))
    images = [Image.fromarray(pixels[n]) for n in order]
    with new_file(path, overwrite) as part:
        images[0].save(part, save_all=True, append_images=images[1:], duration=milliseconds, loop=0)
        verify(len(order) * milliseconds, _duration(part, milliseconds), path, "frames")
    return Exported(path, len(order))


def export_strip(
    frames: Array,
    path: Path | str,
    grey_range: tuple[float, float] | None = None,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write frames (n, h, w[, 3]) side by side as one PNG; arguments as for `export_gif`."""
    from PIL import Image

    path = Path(path)
    pixels = _pixels(frames, path, ".png", grey_range, 1)
    strip = np.concatenate(list(pixels), axis=1)
    with new_file(path, overwrite) as part:
        Image.fromarray(strip).save(part, "PNG")
        with Image.open(part) as written:
            same = np.array_equal(np.asarray(written), strip)
        verify(len(frames), len(frames) if same else 0, path, "frames")
    return Exported(path, len(frames))


def why_no_mp4() -> str:
    """Return what has to be installed before MP4 can be written; empty when nothing."""
    found = importlib.util.find_spec("imageio_ffmpeg") is not None
    return "" if found else "MP4 needs one more package: pip install imageio-ffmpeg"


def export_mp4(
    frames: Array,
    path: Path | str,
    *,
    frames_per_second: float = 15.0,
    grey_range: tuple[float, float] | None = None,
    enlarge: int = 1,
    there_and_back: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write frames (n, h, w[, 3]) as an MP4 (H.264); arguments as for `export_gif`.

    An odd side grows by one pixel, the last one again: H.264 wants even sides.

    Raises
    ------
    ImageFileError
        No frames, another kind of file, the path is there already, or imageio-ffmpeg is missing.
    """
    path = Path(path)
    if reason := why_no_mp4():
        raise ImageFileError(reason.partition(":")[0], path, reason.partition(": ")[2])
    from imageio_ffmpeg import count_frames_and_secs, write_frames

    pixels = _pixels(frames, path, ".mp4", grey_range, enlarge)
    even = [(0, side % 2) for side in pixels.shape[1:3]]
    pixels = np.pad(pixels, [(0, 0), *even, *[(0, 0)] * (pixels.ndim - 3)], mode="edge")
    order = _order(len(pixels), there_and_back)
    kind = "rgb24" if pixels.ndim == 4 else "gray"
    with new_file(path, overwrite) as part:
        writer = write_frames(
            str(part), pixels.shape[2:0:-1], pix_fmt_in=kind, fps=frames_per_second,
            macro_block_size=2, output_params=["-f", "mp4"], ffmpeg_log_level="error",
        )  # fmt: skip
        writer.send(None)
        for number in order:
            writer.send(np.ascontiguousarray(pixels[number]))
        writer.close()
        verify(len(order), count_frames_and_secs(str(part))[0], path, "frames")
    return Exported(path, len(order))


def _pixels(
    frames: Array, path: Path, suffix: str, grey_range: tuple[float, float] | None, enlarge: int
) -> NDArray[np.uint8]:
    if not len(frames) or path.suffix.lower() != suffix:
        raise ImageFileError(f"no frames, or not a {suffix}", path)
    pixels = to_bytes(frames, *(grey_range or percentile_range(frames)))
    return pixels.repeat(enlarge, axis=1).repeat(enlarge, axis=2)


def _order(count: int, there_and_back: bool) -> list[int]:
    return [*range(count), *(range(count - 2, 0, -1) if there_and_back else ())]


def _duration(path: Path, single: int) -> int:
    """Milliseconds of all frames: equal neighbours are stored as one frame that stays longer."""
    from PIL import Image

    total = 0
    with Image.open(path) as movie:
        for number in range(getattr(movie, "n_frames", 1)):
            movie.seek(number)
            total += int(movie.info.get("duration", single))
    return total
