"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = 1 << 20
_HERE = -100  # AT_FDCWD: paths are relative to the working folder
_RENAME_EXCHANGE = 2  # Linux
_RENAME_SWAP = 2  # macOS


@contextmanager
def atomic_write(target: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success flush it and rename it onto `target`.

    The block writes the file at the path it is given. An exception removes it and leaves
    `target` as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=".part" + target.suffix, dir=target.parent
    )
    os.close(handle)
    part = Path(name)
    try:
        yield part
        os.chmod(part, 0o666 & ~_umask())
        _fsync(part)
        os.replace(part, target)
        _fsync(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def swap(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; return False where the system or the disk cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return int(libc.renamex_np(*names, _RENAME_SWAP)) == 0
    if hasattr(libc, "renameat2"):
        return int(libc.renameat2(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE)) == 0
    return False


def write_text(target: Path | str, text: str) -> None:
    """Write `text` to `target` atomically, in UTF-8."""
    with atomic_write(target) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(target: Path | str, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with atomic_write(target) as part:
        part.write_bytes(content)


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fsync(path: Path) -> None:
    flags = os.O_RDONLY | (os.O_DIRECTORY if path.is_dir() else 0)
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
