"""Labels beside images: taken by name, numbered when they are words, and never dropped unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.core.images.makers import save_pictures
from tvae_core.images.labels import label_array
from tvae_core.images.opening import open_stack

Y = np.arange(12) % 3
WORDS = np.array(["spiral", "elliptical", "edge-on"])[Y]
IMAGES = np.random.default_rng(0).random((12, 8, 8)).astype(np.float32)


def labels(folder: Path, kind: str, values: NDArray[Any], name: str = "labels") -> Any:
    path = folder / f"a.{kind}"
    if kind == "npz":
        np.savez(path, images=IMAGES, **{name: values})
    else:
        with h5py.File(path, "w") as file:
            file["images"] = IMAGES
            file[name] = values.astype("S") if values.dtype.kind == "U" else values
    with open_stack(path) as stack:
        return stack.labels, stack.label_names, stack.remarks


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_what_is_taken(tmp_path: Path, kind: str) -> None:
    for values in (Y, Y.astype(float), Y[:, None], np.eye(3)[Y], np.eye(3, dtype=bool)[Y]):
        found, names, remarks = labels(tmp_path, kind, values)
        assert found.tolist() == Y.tolist()
        assert (names, remarks) == ((), ())
    found, names, remarks = labels(tmp_path, kind, WORDS)
    assert [names[value] for value in found] == WORDS.tolist()
    assert remarks == ()
    found, names, _ = labels(tmp_path, kind, Y + 2**40)
    assert [int(names[value]) for value in found] == (Y + 2**40).tolist()
    for name in ("Labels", "LABEL", "ans", "y", "Target", "class_id"):
        assert labels(tmp_path, kind, Y, name)[0].tolist() == Y.tolist()


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize(
    ("values", "why"),
    [
        (Y[:11], "11 rows for 12 images"),
        (np.where(Y == 1, np.nan, Y), "4 of 12 values are missing"),
        (Y + 0.5, "not whole numbers"),
        (np.ones((12, 3)), "3 columns, which are not one-hot"),
        (np.ones((12, 3, 3)), r"its shape is \(12, 3, 3\)"),
        (np.array(5), "one value for 12 images"),
    ],
)
def test_what_is_not_taken_is_said(
    tmp_path: Path, kind: str, values: NDArray[Any], why: str
) -> None:
    found, _, remarks = labels(tmp_path, kind, values)
    assert found is None
    assert len(remarks) == 1
    assert remarks[0].startswith("labels are ignored in labels: ")
    assert why.replace("\\", "") in remarks[0]


def test_the_labels_of_a_training_part_are_its_own() -> None:
    arrays = ["x_train", "y_train", "x_test", "y_test", "label"]
    assert label_array("x_train", arrays) == "y_train"
    assert label_array("x_test", arrays) == "y_test"
    assert label_array("images", arrays) == "label"
    assert label_array("x_train", ["x_train", "y_test", "label"]) is None
    assert label_array("set/images", ["set/Labels", "labels"]) == "set/Labels"
    assert label_array("train_images", ["train_images", "train_labels"]) == "train_labels"


def test_a_folder_that_is_called_by_a_number_is_that_label(tmp_path: Path) -> None:
    images = (255 * IMAGES).astype(np.uint8)
    for number in range(1, 13):
        save_pictures(tmp_path / str(number), images[number - 1 : number])
    with open_stack(tmp_path) as stack:
        assert sorted(stack.labels.tolist()) == list(range(1, 13))
        for file, label in zip(stack.sources().files, stack.labels.tolist(), strict=True):
            assert file.startswith(f"{label}/")
        assert stack.label_names == ()
    save_pictures(tmp_path / "mixed", images[:1])
    with open_stack(tmp_path) as stack:
        assert "mixed" in stack.label_names
        assert [stack.label_names[v] for v in stack.labels] == [
            file.split("/")[0] for file in stack.sources().files
        ]


def test_pickled_labels_are_said_and_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=WORDS.astype(object))
    with open_stack(tmp_path / "a.npz") as stack:
        assert stack.labels is None
        assert stack.remarks == ("no labels are taken from labels: pickled objects are not read",)
