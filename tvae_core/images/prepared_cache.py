"""The cache of prepared images: which file belongs to which images, how much there may be.

A file is found by its key: a digest of what the images are (their sources, the size and date of
each file, and what some of them look like) and of all that is done to them. Runs with equal
preparation so share one. Files are let go when they were not used for long, the oldest first when
there are too many.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tvae_core import words
from tvae_core.caches import cache_folder
from tvae_core.config import DataConfig
from tvae_core.errors import BusyError, FileError, ImageFileError, TvaeError
from tvae_core.files import file_error, parsed_json, write_text
from tvae_core.images.identity import dated
from tvae_core.images.pixel_forms import Form
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.prepared_file import (
    About,
    PreparedFile,
    create,
    images_in_block,
    read_about,
)
from tvae_core.locks import held, lock_file

_KEY = re.compile(r"[0-9a-f]{32}")  # what `key_of` gives
_WAYS = 1  # another number when the same settings make other pixels
_PROBED = 64
_DAYS = 30.0
_SHARE_OF_DISK = 0.5
_DAY_S = 24 * 3600.0
_IN_USE_S = 600.0
_SPARE_BYTES = 256 << 20
_NOT_OF_PIXELS = {"path", "image_root", "validation_share", "test_share", "kept_as"}


@dataclass(frozen=True)
class Limits:
    """How much may be kept.

    Parameters
    ----------
    gigabytes : float
        Of all files together; 0: half of what the disk has free or holds of them.
    days : float
        Since a file was used last; 0: for ever.
    """

    gigabytes: float = 0.0
    days: float = _DAYS


@dataclass(frozen=True)
class Entry:
    """One file of the cache.

    Parameters
    ----------
    folder : Path
    about : About or None
        None where it cannot be read.
    bytes_on_disk : int
    used_at : float
        When it was used last, in seconds of the clock.
    share : float
        Share of its images that are there.
    """

    folder: Path
    about: About | None
    bytes_on_disk: int
    used_at: float
    share: float

    @property
    def key(self) -> str:
        """Its name."""
        return self.folder.name


class PreparedCache:
    """The folder of all files of prepared images of this user.

    Parameters
    ----------
    folder : Path, optional
        `prepared` in the cache folder when not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "prepared"

    def entries(self) -> list[Entry]:
        """Return what there is, the one used last first."""
        try:
            folders = [one for one in self.folder.iterdir() if _is_entry(one)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise file_error(error, self.folder, "cannot be read") from error
        return sorted((_entry(one) for one in folders), key=lambda one: -one.used_at)

    def limits(self) -> Limits:
        """Return how much may be kept."""
        try:
            found = parsed_json((self.folder / "limits.json").read_text(encoding="utf-8"))
            return Limits(float(found["gigabytes"]), float(found["days"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Limits()

    def set_limits(self, limits: Limits) -> None:
        """Keep how much may be kept, and let go of what is more."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_error(error, self.folder, "cannot be written") from error
        write_text(self.folder / "limits.json", json.dumps(asdict(limits)) + "\n")
        self.make_room(0)

    def largest_bytes(self) -> float:
        """Return how many bytes may be kept."""
        gigabytes = self.limits().gigabytes
        if gigabytes:
            return gigabytes * 1e9
        kept = sum(entry.bytes_on_disk for entry in self.entries())
        return _SHARE_OF_DISK * (free_bytes(self.folder) + kept)

    def make_room(self, needed: float) -> list[Entry]:
        """Let go of files that are too old, and of the oldest until `needed` bytes fit.

        Those in use stay. Returns what was let go.

        Raises
        ------
        FileError
            They do not fit.
        """
        limits, largest = self.limits(), self.largest_bytes()
        kept = self.entries()
        gone = []
        for entry in reversed(kept.copy()):
            age_s = time.time() - entry.used_at
            is_old = limits.days > 0 and age_s > limits.days * _DAY_S
            together = sum(one.bytes_on_disk for one in kept) + needed
            if (is_old or together > largest) and age_s > _IN_USE_S and self.remove(entry):
                kept.remove(entry)
                gone.append(entry)
        together = sum(one.bytes_on_disk for one in kept) + needed
        if needed and together > largest:
            what = f"{words.size(needed)} do not fit into the {words.size(largest)} allowed"
            raise FileError(what, self.folder, "see `tvae cache`, or name another with TVAE_CACHE")
        return gone

    def remove(self, entry: Entry) -> bool:
        """Remove a file; return False where somebody fills it or it cannot be removed."""
        try:
            with held(entry.folder):
                (entry.folder / "about.json").unlink(missing_ok=True)
                shutil.rmtree(entry.folder)
        except (BusyError, OSError):
            return False
        with suppress(OSError):
            lock_file(entry.folder).unlink(missing_ok=True)
        return True

    def find(self, images: PreparedStack, form: Form, run: Path) -> PreparedFile | None:
        """Return the file of images in a form where there is one, as `file_of`."""
        return _first(*self._places(images, form, run))

    def file_of(self, images: PreparedStack, form: Form, run: Path) -> PreparedFile:
        """Return the file of images in a form: here, else in the run's folder.

        Where there is none it is made, empty; `tvae_core.runs.preparing` fills it.

        Raises
        ------
        FileError
            There is room for it neither here nor in the run's folder.
        """
        folders, about = self._places(images, form, run)
        if (found := _first(folders, about)) is not None:
            return found
        try:
            self.make_room(about.bytes_on_disk)
            return _made(folders[0], about)
        except FileError as refused:
            try:
                return _made(folders[1], about)
            except FileError:
                raise refused from None

    def _places(
        self, images: PreparedStack, form: Form, run: Path
    ) -> tuple[tuple[Path, Path], About]:
        key = key_of(images, form)
        return (self.folder / key, run / "prepared"), _about(images, form, key)


def key_of(images: PreparedStack, form: Form) -> str:
    """Return what the file of images is called: 32 hex digits.

    Reads a few of the images.
    """
    stack, digest = images.stack, hashlib.sha256()
    some = np.unique(np.linspace(0, len(images) - 1, _PROBED).astype(np.int64))
    stack.learn(some)
    sources = stack.sources()
    told = {
        "ways": _WAYS,
        "form": form,
        "type": stack.dtype.str,
        "shape": [len(images), images.channels, images.side],
        "settings": images.preprocessor.config.model_dump(mode="json", exclude=_NOT_OF_PIXELS),
        "sources": sources.files,
        "files": list(dated(stack.pixel_files())),
    }
    digest.update(json.dumps(told, sort_keys=True).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(sources.file_index).data)
    digest.update(np.ascontiguousarray(sources.image_index).data)
    digest.update(stack.prints[some].tobytes())
    digest.update(images.optics_digest())
    return digest.hexdigest()[:32]


def settings_words(config: DataConfig) -> str:
    """Return the settings that are not the usual ones, for the user."""
    usual, own = DataConfig(), config.model_dump(exclude=_NOT_OF_PIXELS)
    differing = {name: value for name, value in own.items() if getattr(usual, name) != value}
    return ", ".join(f"{name}={words.setting(value)}" for name, value in differing.items())


def free_bytes(folder: Path) -> float:
    """Return what the disk of a folder, which need not exist, has free."""
    existing = next((one for one in (folder, *folder.parents) if one.exists()), Path.home())
    return float(shutil.disk_usage(existing).free)


def _about(images: PreparedStack, form: Form, key: str) -> About:
    block = images_in_block(images.channels, images.side, form)
    made_from = str(images.stack.path.absolute())
    told = settings_words(images.preprocessor.config)
    return About(len(images), images.channels, images.side, form, block, key, made_from, told)


def _first(folders: tuple[Path, ...], about: About) -> PreparedFile | None:
    found = (_opened(folder, about) for folder in folders)
    return next((file for file in found if file is not None), None)


def _opened(folder: Path, about: About) -> PreparedFile | None:
    """Return the file in a folder where it is of these very images, else None."""
    try:
        file = PreparedFile(folder)
    except (ImageFileError, FileError):
        return None
    if file.about.key == about.key and file.about.count == about.count:
        return file
    file.close()
    return None


def _made(folder: Path, about: About) -> PreparedFile:
    free = free_bytes(folder)
    if about.bytes_on_disk + _SPARE_BYTES > free:
        what = f"{words.size(about.bytes_on_disk)} are needed, {words.size(free)} are free"
        raise FileError(what, folder, "free some space, or name another folder with TVAE_CACHE")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(error, folder.parent, "cannot be written") from error
    with held(folder, wait_s=10.0):
        if (found := _opened(folder, about)) is not None:
            return found  # another run was faster
        create(folder, about)
    return PreparedFile(folder)


def _is_entry(path: Path) -> bool:
    """Return whether a folder has a name that the cache gave: others are never let go of."""
    return _KEY.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def _entry(folder: Path) -> Entry:
    size = sum(_room_of(one) for one in folder.iterdir())
    try:
        used_at = (folder / "used").stat().st_mtime
    except OSError:
        used_at = folder.stat().st_mtime
    try:
        file = PreparedFile(folder)
        about, share = file.about, file.share
        file.close()
    except TvaeError:
        about, share = None, 0.0
        with suppress(TvaeError):
            about = read_about(folder)
    return Entry(folder, about, size, used_at, share)


def _room_of(file: Path) -> int:
    """Return the bytes that a file takes of the disk, less than its length where it has holes."""
    try:
        stat = file.stat()
    except OSError:
        return 0
    return stat.st_blocks * 512 if hasattr(stat, "st_blocks") else stat.st_size
