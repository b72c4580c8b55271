"""Which array holds the labels of images, and what is a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NAMES = (
    *("label", "labels", "class", "classes", "target", "targets", "y", "ans", "answer", "answers"),
    *("label_id", "label_ids", "class_id", "class_ids"),
)
CLASS_NAMES = ("label_names", "class_names")
_SPLITS = ("train", "valid", "val", "test")
_INT32 = np.iinfo(np.int32)
_MOST_CLASSES = 1000  # names: more of them, nearly one an image, are no classes


class Labels(NamedTuple):
    """Labels as they are kept.

    Parameters
    ----------
    values : (N,) int64 or None
        None where nothing usable was found.
    names : tuple of str
        What the values count, empty where they stand for themselves.
    remarks : tuple of str
        Why an array was not taken, in one line.
    """

    values: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def label_array(images: str, arrays: Iterable[str]) -> str | None:
    """Return which of `arrays` lies beside the array `images` as its labels, by name alone.

    Small and capital letters are the same. Of a training part only the training labels are taken:
    `y_train` for `x_train`, never `y_test`.
    """
    folder, _, name = images.lower().rpartition("/")
    split = next((word for word in _SPLITS if word in name), "")
    wanted = list(NAMES)
    if split:
        forms = ("{0}_{1}", "{1}_{0}", "{0}{1}", "{1}{0}")
        wanted = [form.format(label, split) for label in NAMES for form in forms]
    if folder:
        wanted = [f"{folder}/{label}" for label in wanted]
    by_name = {array.lower(): array for array in arrays}
    return next((by_name[label] for label in wanted if label in by_name), None)


def labels_of(
    name: str, shape: tuple[int, ...], count: int, load: Callable[[], NDArray[Any]]
) -> Labels:
    """Return the labels that an array holds for `count` images, or why it holds none.

    Whole numbers stand for themselves; text, numbers beyond 32 bits and rows with a single one
    (one-hot) are numbered in order.
    """
    if shape[:1] != (count,):
        found = f"{shape[0]:,} rows" if shape else "one value"
        return _none(name, f"{found} for {count:,} images")
    if len(shape) > 2:
        return _none(name, f"its shape is {shape}")
    values = load()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        return _one_hot(name, values)
    if values.dtype.kind in "OSU":
        return _text(name, values)
    return _numbers(name, values)


def _one_hot(name: str, values: NDArray[Any]) -> Labels:
    if values.dtype.kind in "buif" and values.shape[1] > 1:
        ones = values == 1
        if np.all(ones.sum(axis=1) == 1) and np.all(ones | (values == 0)):
            return Labels(np.argmax(ones, axis=1).astype(np.int64))
    return _none(name, f"{values.shape[1]} columns, which are not one-hot")


def _text(name: str, values: NDArray[Any]) -> Labels:
    words = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    names, codes = np.unique(np.asarray(words, dtype=str), return_inverse=True)
    return _classes(name, names.tolist(), codes)


def _numbers(name: str, values: NDArray[Any]) -> Labels:
    if values.dtype.kind not in "buif":
        return _none(name, f"its values are of type {values.dtype}")
    if values.dtype.kind == "f":
        bad = int((~np.isfinite(values)).sum())
        if bad:
            return _none(name, f"{bad:,} of {len(values):,} values are missing")
        if not np.array_equal(values, np.round(values)):
            return _none(name, "its values are not whole numbers")
    numbers, codes = np.unique(values, return_inverse=True)
    if len(numbers) and (numbers[0] < _INT32.min or numbers[-1] > _INT32.max):
        return _classes(name, [f"{value:.0f}" for value in numbers.tolist()], codes)
    return Labels(values.astype(np.int64))


def _classes(name: str, names: list[str], codes: NDArray[Any]) -> Labels:
    if len(names) > _MOST_CLASSES and len(names) > len(codes) // 2:
        return _none(name, f"{len(names):,} different values are no classes")
    return Labels(codes.reshape(-1).astype(np.int64), tuple(names))


def _none(name: str, why: str) -> Labels:
    return Labels(remarks=(f"labels are ignored in {name}: {why}",))
