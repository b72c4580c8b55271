"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tvae_core.errors import FileError, TvaeError
from tvae_core.parts import begin_of_part, part_beside

_BLOCK = 1 << 20
_LARGEST_TEXT = 256 << 20
_HERE = -100  # AT_FDCWD: paths are relative to the working folder
_RENAME_EXCHANGE = 2  # Linux
_RENAME_SWAP = 2  # macOS
_SEEKING = threading.Lock()


_TODO = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space: your quota is used up",
    errno.EFBIG: "a limit on the size of files is set, or the disk cannot hold such a file",
    errno.EACCES: "check who may read and write there, or choose another place",
    errno.EPERM: "check who may read and write there, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "close other programs, or raise the limit on open files (ulimit -n)",
    errno.ENOLCK: "the disk offers no locks",
    errno.EIO: "the disk reports an error: check it",
}
_HDF5_ERRNO = re.compile(r"errno = (\d+)")


def file_error(error: Exception, where: object = "", verb: str = "") -> FileError:
    """Return what the operating system or HDF5 said about a file, as one line.

    Parameters
    ----------
    error : Exception
        An `OSError`, or what HDF5 raised.
    where : path, optional
        The file, where the error itself does not name it.
    verb : str
        What failed, such as "cannot be written"; empty when it is not known.
    """
    if isinstance(error, FileError):
        return error
    told = _HDF5_ERRNO.search(str(error))
    number = int(told[1]) if told else getattr(error, "errno", None)
    own = None if told else getattr(error, "strerror", None)
    words = own or (os.strerror(number) if number else str(error).splitlines()[0][:200])
    words = words[:1].lower() + words[1:] or type(error).__name__
    what = f"{verb}: {words}" if verb else words
    name = where or getattr(error, "filename", None) or ""
    return FileError(what, shown(name), _TODO.get(number or 0, ""))


def shown(path: object) -> str:
    """Return a path as text that can be printed and kept, bytes that are no UTF-8 escaped."""
    name = path if isinstance(path, bytes) else str(path).encode("utf-8", "surrogateescape")
    return name.decode("utf-8", "backslashreplace")


@contextmanager
def told_of(target: Path, part: Path | None = None) -> Iterator[None]:
    """Tell what fails within the block as a failure to write `target`, also when of its `part`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        named = getattr(error, "where", None) or getattr(error, "filename", None)
        of_part = named is not None and str(named).startswith(str(part))
        if isinstance(error, TvaeError):
            error.where = str(target) if of_part else error.where
            raise
        if isinstance(error, RuntimeError) and not _HDF5_ERRNO.search(str(error)):
            raise
        about = target if named is None or of_part else named
        raise file_error(error, about, "cannot be written") from error
    except TvaeError as error:
        error.where = str(target) if part and error.where.startswith(str(part)) else error.where
        raise


@contextmanager
def atomic_write(
    target: Path | str, verify: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success flush it and rename it onto `target`.

    The block writes the file at the path it is given. An exception removes it and leaves
    `target` as it was.

    Parameters
    ----------
    target : path
    verify : callable, optional
        Reads back what was written before it replaces anything, and raises when it is not sound.
        HDF5 needs it: it reports no error when what it kept back cannot be written at its end.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    target = Path(target)
    with told_of(target, begin_of_part(target)), part_beside(target) as folder:
        part = folder / target.name
        with told_of(target, folder):
            part.touch()
            yield part
            os.chmod(part, _mode_for(target))
            sync(part)
            if verify is not None:
                verify(part)
            os.replace(part, target)
            sync(target.parent)


def swap(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; return False where the system or the disk cannot."""
    if sys.platform == "win32":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return int(libc.renamex_np(*names, _RENAME_SWAP)) == 0
    if hasattr(libc, "renameat2"):
        return int(libc.renameat2(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE)) == 0
    return False


def write_text(target: Path | str, text: str) -> None:
    """Write `text` to `target` atomically, in UTF-8, and read it back."""
    write_bytes(target, text.encode("utf-8"))


def write_bytes(target: Path | str, content: bytes) -> None:
    """Write `content` to `target` atomically, and read it back.

    Raises
    ------
    FileError
        The file cannot be written, or what is read is not what was written.
    """

    def verify(part: Path) -> None:
        if part.read_bytes() != content:
            raise FileError("what was read back is not what was written", part, "check the disk")

    with atomic_write(target, verify) as part:
        part.write_bytes(content)


def read_text(path: Path | str, errors: str = "strict") -> str:
    """Return the UTF-8 text of a small file: a pipe in its place would be waited for.

    Raises
    ------
    OSError
        It cannot be read, is no plain file, or too large.
    UnicodeDecodeError
        It is no text, and `errors` is strict.
    """
    about = os.stat(path)
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "a pipe or a device, not a file", str(path))
    if about.st_size > _LARGEST_TEXT:
        raise OSError(errno.EFBIG, "too large to be read as text", str(path))
    return Path(path).read_text(encoding="utf-8", errors=errors)


def parsed_json(text: str | bytes) -> Any:
    """Return what JSON says; nested without end it is as damaged as with a bracket lost.

    Raises
    ------
    ValueError
        It is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deep", "", 0) from None


def sha256_of_file(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_bytes(content: bytes | memoryview) -> str:
    """Return the SHA-256 of `content` as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def _mode_for(target: Path) -> int:
    """Return the rights of a file that is replaced; of a new one, those that the user grants."""
    try:
        about = target.lstat()
    except OSError:
        return 0o666 & ~umask()
    return stat.S_IMODE(about.st_mode) if stat.S_ISREG(about.st_mode) else 0o666 & ~umask()


def umask() -> int:
    """Return which rights new files are not given."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def open_to_read(path: Path) -> int:
    """Return a handle to read the bytes of a file with `read_at`; to be closed by `os.close`."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))


def read_at(handle: int, target: memoryview, offset: int) -> int:
    """Read bytes of an open file from `offset` on into `target`; return how many were there.

    Several threads may read at once, also where the system offers no reading at a place.
    """
    if hasattr(os, "preadv"):
        return os.preadv(handle, [target], offset)
    with _SEEKING:
        os.lseek(handle, offset, os.SEEK_SET)
        block = os.read(handle, len(target))
    target[: len(block)] = block
    return len(block)


def sync_folder(folder: Path) -> None:
    """Bring all that is in a folder to the disk, before the folder gets its name."""
    for file in sorted(folder.rglob("*")):
        sync(file)
    sync(folder)


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's names, to the disk."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows opens no folders
    writes = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else writes)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
