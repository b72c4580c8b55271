"""What a user adds to a store: sets, labels, planes, columns and the view, in a file beside it.

The store never changes. `<name>.analysis.h5` names the store it belongs to by its identity, and its
images by their fingerprints: so the notes are kept when the same images are embedded again, in
another order or with more of them. It is replaced atomically. A damaged one never prevents opening
the store: loading raises a StoreError to show, and saving keeps the damaged file under another
name.

The SHA-256 of the HDF5 part stands before it, in the 512 bytes of the user block, and is checked
before HDF5 sees the file: one flipped bit of metadata can send HDF5 into an endless loop.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from tvae_core.errors import BusyError, StoreError
from tvae_core.files import atomic_write, parsed_json
from tvae_core.hdf5_files import new_hdf5, read_hdf5
from tvae_core.images.identity import (
    UNKNOWN,
    ImageIdentity,
    Places,
    Prints,
    match,
    places_by_key,
)
from tvae_core.locks import held
from tvae_core.selection import NamedSet
from tvae_core.store import EmbeddingStore

FORMAT = "tvae-analysis"
VERSION = 1
_WAIT_S = 5.0  # for another who saves
Array = NDArray[Any]


class Store(Protocol):
    """What a sidecar must know of its store; `EmbeddingStore` is one."""

    path: Path
    images: int
    identity: str

    @property
    def prints(self) -> Prints | None:
        """Fingerprints of the images, (N,), None when they are not known."""

    @property
    def weights_sha256(self) -> str:
        """Of the model that made the store."""


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels (N,) int32 counting from 0, -1 for none, with a name and `#rrggbb` for each.

    `names` and `colours` may be shorter than the number of labels; the rest have no name of their
    own. `method` says how the labels were made, `note` what the method had to say.
    """

    labels: Array
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    method: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class DeletedSet:
    """A set that was deleted or written over; `closings` counts how often its store was closed."""

    named: NamedSet
    closings: int = 0


@dataclass(eq=False)
class Sidecar:
    """All that was added to one store.

    identity, images
        Of the store.
    sets
        Named sets in the user's order.
    labellings, planes, columns
        By name: labels, plane coordinates (N, 2) float32, columns (N,) joined from a table.
    view
        What was shown (axes, colour, range, probe), anything JSON can hold.
    images_at
        Where the images are now, when they have moved; absolute.
    prints
        Fingerprints of the images, (N,) uint64; those of the store when not given.
    deleted
        Sets that were deleted lately and can still be had back, the latest first.
    """

    identity: str
    images: int
    sets: list[NamedSet] = field(default_factory=list)
    labellings: dict[str, Labelling] = field(default_factory=dict)
    planes: dict[str, Array] = field(default_factory=dict)
    columns: dict[str, Array] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    images_at: str = ""
    prints: Prints | None = None
    deleted: list[DeletedSet] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What a person has added, in words; empty when nothing."""
        counts = {"set": self.sets, "clustering": self.labellings, "joined column": self.columns}
        return ", ".join(
            f"{len(kept)} {name}{'s' if len(kept) > 1 else ''}"
            for name, kept in counts.items()
            if kept
        )

    @classmethod
    def of(cls, store: Store) -> Sidecar:
        """Return an empty sidecar for `store`."""
        return cls(store.identity, store.images)


def sidecar_path(store_path: Path | str) -> Path:
    """Return `<name>.analysis.h5` beside `<name>.h5`."""
    return Path(store_path).with_suffix(".analysis.h5")


def load_sidecar(store: Store, path: Path | str | None = None) -> Sidecar:
    """Return what was added to `store`; an empty sidecar when nothing was.

    Raises
    ------
    StoreError
        The file is damaged, of a newer version, or belongs to another store. The store itself can
        be used all the same, with `Sidecar.of(store)`.
    """
    path = sidecar_path(store.path) if path is None else Path(path)
    if not path.exists():
        return Sidecar.of(store)
    try:
        _check_seal(path)
        with read_hdf5(path) as file:
            _check(file, path)
            places = _places(file, store, path)
            found = _read(file, int(file.attrs["images"]))
            same_planes = places is None or file.attrs.get("weights") == store.weights_sha256
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"the notes on this run are damaged ({error})",
            path,
            "the run opens without them; the next save keeps this file under another name",
        ) from None
    found.identity = store.identity
    return found if places is None else _carried(found, places, store.images, same_planes)


def changing(store_path: Path) -> AbstractContextManager[None]:
    """Return a block within which nobody else changes the notes on the store at that path.

    It is held by whoever loads notes to save them again. Where the store is no longer there, as
    when its disk was taken out, no notes are begun in its place: nobody would find them.

    Raises
    ------
    BusyError
        Another changes them, and did not end in some seconds.
    StoreError
        The store is no longer there.
    """
    if not Path(store_path).exists():
        raise StoreError(
            "is no longer there, so no notes are written beside it", store_path,
            "connect its disk again, or put it back",
        )  # fmt: skip

    def refused(who: str) -> BusyError:
        return BusyError(f"the notes are being changed by {who}", path, "try again")

    path = sidecar_path(store_path)
    return held(path, refused, _WAIT_S)


def change_sidecar(store: Store, change: Callable[[Sidecar], None]) -> Path:
    """Load what was added to `store`, change it, save it and return its path, alone meanwhile.

    Raises
    ------
    StoreError
        What is there cannot be read, or what comes out cannot be kept; or another changes it.
    """
    with changing(store.path):
        sidecar = load_sidecar(store)
        change(sidecar)
        return save_sidecar(sidecar, store)


def save_sidecar(sidecar: Sidecar, store: Store, path: Path | str | None = None) -> Path:
    """Write `sidecar` atomically and return its path.

    A file in its place that is damaged or belongs to another store is first moved to
    `<name>.analysis.kept-1.h5`.

    Raises
    ------
    StoreError
        The sidecar is of another store, or a part of it is not one value an image.
    """
    path = sidecar_path(store.path) if path is None else Path(path)
    if sidecar.identity != store.identity:
        raise StoreError(_OTHER, path, _OTHER_TODO)
    _check_lengths(sidecar, path)
    with changing(store.path):
        _save(sidecar, store, path)
    return path


def _save(sidecar: Sidecar, store: Store, path: Path) -> None:
    _keep_what_cannot_be_read(store, path)
    with atomic_write(path) as part:
        with new_hdf5(part, userblock_size=_SEAL) as file:
            _write(file, sidecar, store)
        _seal(part)


def keep_notes(path: Path, identity: ImageIdentity) -> str:
    """Make the notes on the store at `path` fit a new store of `identity`, which replaces it.

    Notes of an older program, which did not know the images by content, are told what they are.
    Returns in words which notes cannot be kept, because images they are of are not among the new
    ones; empty when all are kept or there are none.

    Parameters
    ----------
    path : Path
        A store that may be there, with notes or without.
    identity : ImageIdentity
        Of the new images, with all their fingerprints.
    """
    if not path.exists() or not sidecar_path(path).exists() or identity.prints is None:
        return ""
    try:
        with changing(path), EmbeddingStore(path) as old:
            notes = load_sidecar(old)
            if not notes.words:
                return ""
            places = _found_again(old.images_known_by, identity)
            if (places < 0).any() or len(np.unique(places)) != len(places):
                return notes.words
            notes.prints = identity.prints[places]
            save_sidecar(notes, old)
    except StoreError:
        return ""  # what cannot be read now is kept aside by the next save
    return ""


def put_notes_aside(path: Path) -> Path:
    """Give the notes on the store at `path` another name, which is returned."""
    notes = sidecar_path(path)
    with changing(path):
        aside = _free(lambda n: notes.with_suffix(f".kept-{n}.h5"))
        os.replace(notes, aside)
    return aside


def _found_again(old: ImageIdentity, new: ImageIdentity) -> Places:
    assert new.prints is not None
    if old.prints is not None and (old.prints != UNKNOWN).all():
        return match(old.prints, new.prints)
    return places_by_key(old, new)


_SEAL = 512
_OTHER = "these notes belong to another embedding file"
_OTHER_TODO = "they fit only the file they were made for; embedding again makes a new one"


def _check(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise ValueError("not a file of notes")
    if int(file.attrs["version"]) > VERSION:
        raise StoreError("written by a newer program", path, "update this program")


def _places(file: h5py.File, store: Store, path: Path) -> Places | None:
    """Return where each image of the notes is in the store, None when they are of this store."""
    count = int(file.attrs["images"])
    if str(file.attrs["identity"]) == store.identity and count == store.images:
        return None
    prints = file["fingerprints"][()] if "fingerprints" in file else None
    if prints is None or store.prints is None or (prints == UNKNOWN).any():
        raise StoreError(_OTHER, path, _OTHER_TODO)
    places = match(prints, store.prints)
    if (places < 0).any() or len(np.unique(places)) != count:
        raise StoreError(_OTHER, path, _OTHER_TODO)
    return places


def _carried(found: Sidecar, places: Places, count: int, same_planes: bool) -> Sidecar:
    """Return notes with image i at `places[i]` of `count` images.

    Sets, labels and columns are of the images and go with them. Planes are of what the model made
    of the images: they are left out when it is another model, or images were added.
    """
    found.sets = [_set_moved(named, places, count) for named in found.sets]
    found.deleted = [replace(d, named=_set_moved(d.named, places, count)) for d in found.deleted]
    for name, kept in found.labellings.items():
        labels = np.full(count, -1, np.int32)
        labels[places] = kept.labels
        found.labellings[name] = replace(kept, labels=labels)
    found.columns = {name: _moved(kept, places, count) for name, kept in found.columns.items()}
    keep = same_planes and len(places) == count
    planes = found.planes.items() if keep else ()
    found.planes = {name: _moved(kept, places, count) for name, kept in planes}
    found.images = count
    return found


def _set_moved(named: NamedSet, places: Places, count: int) -> NamedSet:
    mask = np.zeros(count, bool)
    mask[places] = named.mask
    return replace(named, mask=mask)


def _moved(values: Array, places: Places, count: int) -> Array:
    """Return values (n, ...) at their new places; NaN or an empty text for images without one."""
    shape = (count, *values.shape[1:])
    if len(places) == count:
        moved = np.empty(shape, values.dtype)
    elif values.dtype.kind in "OU":
        moved = np.full(shape, "", values.dtype)
    else:
        moved = np.full(shape, np.nan, np.result_type(values.dtype, np.float32))
    moved[places] = values
    return moved


def _read(file: h5py.File, images: int) -> Sidecar:
    about = parsed_json(file["about"][()])
    return Sidecar(
        identity=str(file.attrs["identity"]),
        images=images,
        sets=[_read_set(file, f"sets/{n}", entry, images) for n, entry in enumerate(about["sets"])],
        labellings={
            entry["name"]: _read_labels(file, n, entry)
            for n, entry in enumerate(about["labellings"])
        },
        planes=_read_all(file, "planes", about["planes"]),
        columns=_read_all(file, "columns", about["columns"]),
        view=about["view"],
        images_at=about.get("images_at", ""),
        deleted=[
            DeletedSet(_read_set(file, f"deleted/{n}", entry, images), int(entry["closings"]))
            for n, entry in enumerate(about.get("deleted", []))
        ],
    )


def _write(file: h5py.File, sidecar: Sidecar, store: Store) -> None:
    about: dict[str, Any] = {
        "sets": [_write_set(file, f"sets/{n}", named) for n, named in enumerate(sidecar.sets)],
        "labellings": [
            _write_labels(file, n, *item) for n, item in enumerate(sidecar.labellings.items())
        ],
        "planes": list(sidecar.planes),
        "columns": list(sidecar.columns),
        "view": sidecar.view,
        "images_at": sidecar.images_at,
        "deleted": [
            _write_set(file, f"deleted/{n}", d.named) | {"closings": d.closings}
            for n, d in enumerate(sidecar.deleted)
        ],
    }
    for number, values in enumerate(sidecar.planes.values()):
        file[f"planes/{number}"] = np.asarray(values, dtype=np.float32)
    for number, values in enumerate(sidecar.columns.values()):
        _write_column(file, f"columns/{number}", np.asarray(values))
    prints = store.prints if sidecar.prints is None else sidecar.prints
    if prints is not None:
        file["fingerprints"] = prints
    file.create_dataset("about", data=json.dumps(about), dtype=h5py.string_dtype())
    file.attrs.update(
        format=FORMAT,
        version=VERSION,
        identity=sidecar.identity,
        images=sidecar.images,
        weights=store.weights_sha256,
    )


def _write_set(file: h5py.File, at: str, named: NamedSet) -> dict[str, Any]:
    file[at] = np.packbits(named.mask)
    return {"name": named.name, "colour": named.colour, "note": named.note, "rule": named.rule}


def _read_set(file: h5py.File, at: str, entry: dict[str, Any], images: int) -> NamedSet:
    mask = np.unpackbits(file[at][()], count=images).astype(bool)
    return NamedSet(entry["name"], entry["colour"], mask, entry["rule"], entry["note"])


def _write_labels(file: h5py.File, number: int, name: str, labelling: Labelling) -> dict[str, Any]:
    file[f"labellings/{number}"] = np.asarray(labelling.labels, dtype=np.int32)
    texts = {key: getattr(labelling, key) for key in ("names", "colours", "method", "note")}
    return {"name": name, **texts}


def _read_labels(file: h5py.File, number: int, entry: dict[str, Any]) -> Labelling:
    names, colours = tuple(entry["names"]), tuple(entry["colours"])
    labels = file[f"labellings/{number}"][()]
    return Labelling(labels, names, colours, entry["method"], entry["note"])


def _read_all(file: h5py.File, group: str, names: list[str]) -> dict[str, Array]:
    return {name: _values(file[f"{group}/{number}"]) for number, name in enumerate(names)}


def _write_column(file: h5py.File, name: str, values: Array) -> None:
    if values.dtype.kind in "OU":
        texts = values.astype(str).astype(object)
        file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
    else:
        file[name] = values


def _values(dataset: h5py.Dataset) -> Array:
    values = dataset[()]
    return np.array([text.decode() for text in values]) if values.dtype.kind == "O" else values


def _seal(path: Path) -> None:
    seal = _seal_of(path)
    with open(path, "r+b") as stream:
        stream.write(seal)


def _check_seal(path: Path) -> None:
    with open(path, "rb") as stream:
        if stream.read(_SEAL) != _seal_of(path):
            raise ValueError("it does not match its checksum")


def _seal_of(path: Path) -> bytes:
    """Return the user block that belongs to the bytes after it."""
    with open(path, "rb") as stream:
        stream.seek(_SEAL)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{FORMAT} {digest}\n".encode().ljust(_SEAL, b"\0")


def _check_lengths(sidecar: Sidecar, path: Path) -> None:
    sets = [*sidecar.sets, *(d.named for d in sidecar.deleted)]
    lengths = {f"set {s.name!r}": len(s.mask) for s in sets}
    lengths |= {f"labels {name!r}": len(x.labels) for name, x in sidecar.labellings.items()}
    lengths |= {f"plane {name!r}": len(x) for name, x in sidecar.planes.items()}
    lengths |= {f"column {name!r}": len(x) for name, x in sidecar.columns.items()}
    for what, length in lengths.items():
        if length != sidecar.images:
            raise StoreError(f"{what} is of {length:,} images, not {sidecar.images:,}", path)


def _keep_what_cannot_be_read(store: Store, path: Path) -> None:
    try:
        load_sidecar(store, path)
    except StoreError:
        os.replace(path, _free(lambda n: path.with_suffix(f".kept-{n}.h5")))


def _free(name: Callable[[int], Path]) -> Path:
    number = 1
    while name(number).exists():
        number += 1
    return name(number)
