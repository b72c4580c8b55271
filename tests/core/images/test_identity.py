"""Images known by identity: whatever was done to their files, the right image or a refusal."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.core.images.makers import mrc_bytes, star_text
from tvae_core.config import DataConfig
from tvae_core.errors import ImageFileError
from tvae_core.images.identity import (
    UNKNOWN,
    ImageIdentity,
    KnownImages,
    fingerprints,
    match,
)
from tvae_core.images.opening import open_stack
from tvae_core.images.prepared import open_prepared
from tvae_core.images.stack import ImageStack

KINDS = (".npy", ".npz", ".h5", ".tif", ".mrcs", "-folder", ".star", ".cs")
SHAPE = (5, 6)
Pixels = NDArray[Any]


@dataclass(frozen=True)
class Item:
    """One image of a set: the number it has in names and tables, and its pixels."""

    key: int
    pixels: Pixels


def write(kind: str, path: Path, items: list[Item]) -> None:
    """Write a set in the given order; a table's stack has image `key` at place `key`."""
    images = np.stack([item.pixels for item in items]).astype(np.uint8)
    if kind == ".npy":
        np.save(path, images)
    elif kind == ".npz":
        np.savez(path, images=images)
    elif kind == ".h5":
        with h5py.File(path, "w") as file:
            file["images"] = images
    elif kind == ".tif":
        tifffile.imwrite(path, images, photometric="minisblack")
    elif kind == ".mrcs":
        path.write_bytes(mrc_bytes(images.astype(np.int8)))
    elif kind == "-folder":
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        for item in sorted(items, key=lambda item: item.key):
            Image.fromarray(item.pixels).save(path / f"{item.key:03d}.png")
    else:
        write_table(kind, path, items)


def write_table(kind: str, path: Path, items: list[Item]) -> None:
    """Write a .star or .cs table and its stack; the stack has room for every key."""
    stack = np.full((1 + max(item.key for item in items), *SHAPE), 127, np.int8)
    for item in items:
        stack[item.key] = item.pixels
    path.with_name("stack.mrcs").write_bytes(mrc_bytes(stack))
    if kind == ".star":
        path.write_text(star_text([f"{item.key + 1:06d}@stack.mrcs" for item in items]))
        return
    table = np.zeros(len(items), [("uid", "u8"), ("blob/path", "S20"), ("blob/idx", "u4")])
    table["uid"] = [1000 + item.key for item in items]
    table["blob/path"] = b">stack.mrcs"
    table["blob/idx"] = [item.key for item in items]
    with open(path, "wb") as stream:
        np.save(stream, table)


class Change:
    """Changes a set at random; fresh images and keys are never used twice."""

    def __init__(self, rng: np.random.Generator, items: list[Item]) -> None:
        self.rng, self.items = rng, list(items)
        self.fresh = 1 + max(item.key for item in items)

    def make(self) -> list[str]:
        """Make one to three changes and return their names."""
        names = ["reorder", "insert", "delete", "replace", "exchange", "rename"]
        chosen = self.rng.choice(names, self.rng.integers(1, 4)).tolist()
        for name in chosen:
            getattr(self, name)()
        return [str(name) for name in chosen]

    def reorder(self) -> None:
        self.items = [self.items[i] for i in self.rng.permutation(len(self.items))]

    def insert(self) -> None:
        item = Item(self._key(), random_images(self.rng, 1)[0])
        self.items.insert(int(self.rng.integers(len(self.items) + 1)), item)

    def delete(self) -> None:
        if len(self.items) > 1:
            del self.items[self._place()]

    def replace(self) -> None:
        place = self._place()
        self.items[place] = Item(self.items[place].key, random_images(self.rng, 1)[0])

    def exchange(self) -> None:
        """Two names or rows get each other's pixels."""
        a, b = self._place(), self._place()
        one, other = self.items[a], self.items[b]
        self.items[a], self.items[b] = Item(one.key, other.pixels), Item(other.key, one.pixels)

    def rename(self) -> None:
        place = self._place()
        self.items[place] = Item(self._key(), self.items[place].pixels)

    def _place(self) -> int:
        return int(self.rng.integers(len(self.items)))

    def _key(self) -> int:
        self.fresh += 1
        return self.fresh - 1


def random_images(rng: np.random.Generator, count: int) -> Pixels:
    return rng.integers(0, 127, (count, *SHAPE), dtype=np.uint8)


def learnt(path: Path) -> tuple[ImageIdentity, Pixels]:
    """Return what the images of a file are known by once each was read, and their pixels."""
    with KnownImages(open_stack(path)) as known:
        pixels = known.read(np.arange(len(known)))
        return known.identity, pixels


def read_one(known: KnownImages, index: int) -> Pixels | None:
    """Return image `index`, None where it is refused."""
    with contextlib.suppress(ImageFileError):
        return known.read([index])[0]
    return None


@pytest.mark.parametrize("case", range(25))
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_change_of_its_files_an_image_is_the_right_one_or_refused(
    tmp_path: Path, kind: str, case: int
) -> None:
    rng = np.random.default_rng([case, KINDS.index(kind)])
    path = tmp_path / f"set{kind}"
    items = [Item(key, image) for key, image in enumerate(random_images(rng, rng.integers(2, 30)))]
    write(kind, path, items)
    identity, before = learnt(path)
    change = Change(rng, items)
    names = change.make()
    write(kind, path, change.items)
    left = {item.pixels.tobytes() for item in change.items}
    there = [image.astype(np.uint8).tobytes() in left for image in before]
    try:
        known = KnownImages(open_stack(path), identity)
    except ImageFileError:
        assert not any(there), names
        return
    with known:
        found = [read_one(known, index) for index in range(len(before))]
    for index, image in enumerate(found):
        assert (image is not None) == there[index], (names, index)
        if image is not None:
            np.testing.assert_array_equal(image, before[index], str(names))


@pytest.mark.parametrize("kind", KINDS)
def test_one_exchange_in_many_images_is_never_missed(tmp_path: Path, kind: str) -> None:
    """More images than are looked at on opening: the exchange is seen when one is read."""
    rng = np.random.default_rng(1)
    items = [Item(key, image) for key, image in enumerate(random_images(rng, 200))]
    path = tmp_path / f"set{kind}"
    write(kind, path, items)
    identity, before = learnt(path)
    one, other = items[100], items[101]
    items[100:102] = Item(one.key, other.pixels), Item(other.key, one.pixels)
    write(kind, path, items)
    with KnownImages(open_stack(path), identity) as known:
        for index in range(200):
            image = read_one(known, index)
            if image is None:
                assert kind in (".star", ".cs")  # a row brings its own CTF: no search half-way
                assert index in (100, 101)
            else:
                np.testing.assert_array_equal(image, before[index])


@pytest.mark.parametrize("kind", KINDS)
def test_another_set_of_the_same_form_is_refused(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(2)
    path = tmp_path / f"set{kind}"
    write(kind, path, [Item(key, image) for key, image in enumerate(random_images(rng, 12))])
    identity, _ = learnt(path)
    write(kind, path, [Item(key, image) for key, image in enumerate(random_images(rng, 12))])
    with pytest.raises(
        ImageFileError, match=r"have changed .* none of the 12 is among the 12 here"
    ):
        KnownImages(open_stack(path), identity)


def test_the_same_images_are_known_in_another_kind_of_file(tmp_path: Path) -> None:
    images = random_images(np.random.default_rng(3), 9)
    write(".npy", tmp_path / "a.npy", [Item(key, image) for key, image in enumerate(images)])
    identity, before = learnt(tmp_path / "a.npy")
    turned = [Item(key, image) for key, image in enumerate(images[::-1])]
    for kind in KINDS[1:]:
        write(kind, tmp_path / f"b{kind}", turned)
        with KnownImages(open_stack(tmp_path / f"b{kind}"), identity) as known:
            np.testing.assert_array_equal(known.read(np.arange(9)), before)


def test_the_same_images_are_scaled_the_same_from_a_file_of_another_type(tmp_path: Path) -> None:
    """Bytes are scaled by 255 and floats by their range: a converted file must not change that."""
    images = random_images(np.random.default_rng(8), 6)
    np.save(tmp_path / "a.npy", images)
    config = DataConfig(path=str(tmp_path / "a.npy"))
    with open_prepared(config) as prepared:
        before, identity = prepared.read(np.arange(6)), prepared.stack.identity
    np.save(tmp_path / "a.npy", images.astype(np.float32)[::-1])
    with open_prepared(config, wanted=identity) as prepared:
        np.testing.assert_array_equal(prepared.read(np.arange(6)), before)


def test_another_size_is_told_before_anything_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.float32))
    identity, _ = learnt(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((3, 9, 8), np.float32))
    with pytest.raises(ImageFileError, match="9 x 8 px, those of the run 8 x 8 px"):
        KnownImages(open_stack(tmp_path / "a.npy"), identity)


def test_rows_labels_and_sources_follow_the_images(tmp_path: Path) -> None:
    images = random_images(np.random.default_rng(4), 6)
    items = [Item(key, image) for key, image in enumerate(images)]
    write(".star", tmp_path / "p.star", items)
    identity, _ = learnt(tmp_path / "p.star")
    write(".star", tmp_path / "p.star", items[::-1])
    with KnownImages(open_stack(tmp_path / "p.star"), identity) as known:
        assert known.rows().tolist() == [5, 4, 3, 2, 1, 0]
        with open_stack(tmp_path / "p.star") as stack:
            assert known.described().keys() == stack.described().keys()
        assert known.sources().image_index.tolist() == [0, 1, 2, 3, 4, 5]
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(6))
    identity, _ = learnt(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", images=images[::-1], labels=np.arange(6)[::-1])
    with KnownImages(open_stack(tmp_path / "a.npz"), identity) as known:
        assert known.labels is not None
        assert known.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_nothing_that_a_stack_says_of_each_image_is_lost_on_the_way() -> None:
    """What a reader may say of its images must be passed on by `KnownImages`, in its order."""
    whole = {"read", "height", "width", "channels", "dtype", "pixel_size_angstrom"}
    whole |= {"labels", "label_names", "remarks"}  # made from `form` and `notes`
    says = {name for name in vars(ImageStack) if not name.startswith("_")} - whole
    assert says <= vars(KnownImages).keys()


def test_images_known_by_name_only_are_found_by_name(tmp_path: Path) -> None:
    """As in stores of older programs, which kept no fingerprints."""
    items = [
        Item(key, image) for key, image in enumerate(random_images(np.random.default_rng(5), 6))
    ]
    path = tmp_path / "set-folder"
    write("-folder", path, items)
    with open_stack(path) as stack:
        by_name = ImageIdentity(stack.sources())
    write("-folder", path, [*items[1:], Item(9, items[0].pixels)])
    with KnownImages(open_stack(path), by_name) as known:
        np.testing.assert_array_equal(
            known.read([1, 5]), np.stack([items[1].pixels, items[5].pixels])
        )
        with pytest.raises(ImageFileError, match=r"image 0 \(000.png\) is missing"):
            known.read([0])
    write(".npy", tmp_path / "a.npy", items)
    with open_stack(tmp_path / "a.npy") as stack:
        by_position = ImageIdentity(stack.sources())
    write(".npy", tmp_path / "a.npy", items[1:])
    with pytest.raises(ImageFileError, match="5 images here, but there were 6"):
        KnownImages(open_stack(tmp_path / "a.npy"), by_position)


def test_a_fingerprint_tells_every_bit_and_is_never_the_unknown_one() -> None:
    image = np.zeros((1, 4, 4), np.float32)
    seen = [fingerprints(image)[0]]
    for place in range(16):
        changed = image.copy()
        changed.reshape(-1)[place] = np.nextafter(np.float32(0), np.float32(1))
        seen.append(fingerprints(changed)[0])
    assert len(set(seen)) == 17
    assert UNKNOWN not in seen
    assert fingerprints(np.zeros((0, 4, 4), np.float32)).shape == (0,)


def test_equal_keys_are_matched_in_their_order() -> None:
    assert match(np.array([5, 7, 5, 9]), np.array([7, 5, 1, 5])).tolist() == [1, 0, 3, -1]
    third = match(np.array([5, 5, 5]), np.array([5, 5, 7])).tolist()
    assert third[:2] == [0, 1]
    assert third[2] in (0, 1)
    assert match(np.array([5]), np.zeros(0, np.int64)).tolist() == [-1]
