"""Files of image numbers, as people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import ConfigError
from tvae_core.npy_header import MAGIC

Numbers = NDArray[np.int64]
_ONE_A_LINE = "give whole numbers from 0, one per line"
_PICKLE = b"\x80"


def read_image_numbers(file: Path | str, images: int) -> Numbers:
    """Return the image numbers of a file, ascending, each once.

    A text file of numbers from 0, apart by blanks or lines, with comments behind #; or a NumPy file
    of whole numbers.

    Parameters
    ----------
    file : path
    images : int
        How many there are.

    Raises
    ------
    ConfigError
        It cannot be read, holds something else (a mask, columns, a pickle), or a number is of no
        image.
    """
    path = Path(file)
    numbers = _numbers_in(path)
    if not numbers.size:
        raise ConfigError("holds no image numbers", path, _ONE_A_LINE)
    wrong = numbers[(numbers < 0) | (numbers >= images)]
    if wrong.size:
        raise ConfigError(f"{wrong[0]} matches no image: numbers go from 0 to {images - 1}", path)
    if numbers.size > 2 and numbers.max() <= 1:
        raise ConfigError(
            f"looks like a mask, {numbers.size:,} values of 0 and 1, not like image numbers",
            path,
            "write the numbers of the images",
        )
    return np.unique(numbers)


def _numbers_in(path: Path) -> Numbers:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read image numbers ({error.strerror})", path) from None
    if content.startswith(MAGIC):
        return _of_numpy(path)
    if content.startswith(_PICKLE):
        raise ConfigError("pickles are not read: they can run any program", path, _ONE_A_LINE)
    return _of_text(_text(content, path), path)


def _of_numpy(path: Path) -> Numbers:
    try:
        numbers = np.load(path, allow_pickle=False)
    except (ValueError, OSError):
        raise ConfigError("a NumPy file that cannot be read", path, "give text") from None
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        what = f"a NumPy file of {numbers.dtype}, shape {numbers.shape}, not of image numbers"
        raise ConfigError(what, path, "save whole numbers from 0, shape (n,)")
    return np.asarray(numbers, np.int64)


def _text(content: bytes, path: Path) -> str:
    coding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(coding)
    except UnicodeDecodeError:
        raise ConfigError("is not text", path, _ONE_A_LINE) from None


def _of_text(text: str, path: Path) -> Numbers:
    rows = [line.partition("#")[0].split() for line in text.splitlines()]
    widths = {len(row) for row in rows if row}
    if sum(map(bool, rows)) > 1 and len(widths) == 1 and widths.pop() > 1:
        raise ConfigError(f"holds {len(next(filter(None, rows)))} columns", path, _ONE_A_LINE)
    numbers = []
    for line, row in enumerate(rows, 1):
        for word in row:
            try:
                numbers.append(int(word))
            except ValueError:
                what = f"line {line}: {word!r} is not an image number"
                raise ConfigError(what, path, _ONE_A_LINE) from None
    try:
        return np.array(numbers, np.int64)
    except OverflowError:
        raise ConfigError("a number matches no image: it is too large", path) from None
