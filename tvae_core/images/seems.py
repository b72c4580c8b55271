"""What a file that is not read seems to be, by its first bytes, so that its name can be told."""

from __future__ import annotations

import zipfile
from pathlib import Path

_HEAD = 512
_MAGIC = (
    (b"%PDF", "a PDF document"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file under another name"),
    (b"SIMPLE  =", "a FITS image"),
    (b"\x1aE\xdf\xa3", "a film (Matroska)"),
    (b"RIFF", "a sound or film (RIFF)"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"\xd0\xcf\x11\xe0", "an older Office document"),
    (b"SQLite format 3", "a database (SQLite)"),
    (b"PAR1", "a Parquet table"),
    (b"\x00\x00\x01\x00", "an icon"),
)
_INSIDE = (
    ("word/", "a Word document"),
    ("xl/", "an Excel workbook"),
    ("ppt/", "a PowerPoint presentation"),
    ("data.pkl", "a PyTorch file"),
)
_CODE = {".py": "a Python script", ".json": "a JSON file", ".ipynb": "a notebook"}


def seems_to_be(path: Path) -> str:
    """Return what a file seems to be, with its article; "" where nothing tells."""
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if head[4:8] == b"ftyp":
        return "a film or picture (MP4, HEIF)"
    if head[128:132] == b"DICM":
        return "a DICOM image"
    if head.startswith(b"PK"):
        return _zipped(path)
    if head[8:9] == b"{" and path.suffix.lower() == ".safetensors":
        return "the weights of a model without its run"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "a Python pickle"
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return words
    return _text(path, head)


def _zipped(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged ZIP archive"
    for part, words in _INSIDE:
        if any(part in name for name in names):
            return words
    return "a ZIP archive"


def _text(path: Path, head: bytes) -> str:
    if not head or b"\0" in head:
        return ""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not merely cut within a letter
            return ""
    return _CODE.get(path.suffix.lower(), "a text file")
