"""What an export may replace: only what an export wrote, never a run, its store or its notes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import h5py

from tvae_core.errors import ImageFileError
from tvae_core.files import parsed_json, sha256_of_file, swap
from tvae_core.hdf5_files import read_hdf5

MANIFEST = ".tvae-export.json"
_FORMAT, _VERSION = "tvae-export", 1
_OTHER_NAME = "choose another name"
# what a run's folder holds (tvae_core/runs/folder.py, tvae_core/evaluation/file.py)
RUN_FILES = frozenset(
    [
        "config.json", "metrics.jsonl", "progress.jsonl", "log.txt", "run.pid", "launch.pid",
        "embeddings.h5", "model.safetensors", "images.npz", "evaluation.json", "evaluation.md",
        "chosen.json", "verdict.json",
    ]
)  # fmt: skip
RUN_FOLDERS = frozenset(["checkpoints", "previews", "objects"])


def write_manifest(folder: Path) -> None:
    """Note in a folder what was written into it: its files with their SHA-256."""
    files = {file.name: sha256_of_file(file) for file in sorted(folder.iterdir())}
    content = {"format": _FORMAT, "version": _VERSION, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def refuse_others(folder: Path, where: Path | None = None) -> None:
    """Raise an ImageFileError unless a folder holds nothing but what an export wrote into it.

    Parameters
    ----------
    folder : Path
    where : Path, optional
        What the folder is called in the error, when it lies elsewhere for the moment.
    """
    found = _other(folder)
    if found:
        raise ImageFileError(f"holds other things: {found}", where or folder, _OTHER_NAME)


def _other(folder: Path) -> str:
    """Return the first thing in a folder that no export wrote, in words; empty for none."""
    ours = _manifest(folder)
    for entry in sorted(folder.iterdir()):
        if entry.name == MANIFEST:
            continue
        if entry.name not in ours or not entry.is_file() or entry.is_symlink():
            return entry.name
        if sha256_of_file(entry) != ours[entry.name]:
            return f"{entry.name}, changed since it was exported"
    return ""


def _manifest(folder: Path) -> dict[str, str]:
    try:
        content = parsed_json((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] == _FORMAT and content["version"] <= _VERSION:
            return dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def refuse_own(path: Path) -> None:
    """Raise an ImageFileError when a file is a store, its notes, or part of a run."""
    real = path.resolve()
    if real.is_dir():
        raise ImageFileError("is a folder", path, _OTHER_NAME)
    what = _own(real)
    if what:
        raise ImageFileError(f"is {what}; an export does not replace it", path, _OTHER_NAME)


def _own(path: Path) -> str:
    if _is_run(path.parent) and path.name in RUN_FILES:
        return "part of a run"
    if path.parent.name in RUN_FOLDERS and _is_run(path.parent.parent):
        return "part of a run"
    with open(path, "rb") as stream:
        if stream.read(13) == b"tvae-analysis":
            return "the notes on a run"
    return _own_hdf5(path) if h5py.is_hdf5(path) else ""


def _own_hdf5(path: Path) -> str:
    try:
        with read_hdf5(path) as file:
            return "an embedding file" if file.attrs.get("format") == "tvae-embeddings" else ""
    except (OSError, RuntimeError):
        return "an HDF5 file that cannot be read"


def _is_run(folder: Path) -> bool:
    begun = any((folder / name).is_dir() for name in RUN_FOLDERS)
    return begun and (folder / "config.json").is_file()


def put_in_place(part: Path, path: Path) -> None:
    """Let the folder `part` become `path`; at every moment the old or the new one is there.

    What `path` was lies at `part` afterwards. Where the system cannot swap two folders in one
    step, a killed program leaves the old one beside, and `take_back` puts it back.
    """
    if not path.exists():
        os.replace(part, path)
        return
    if swap(part, path):
        try:
            refuse_others(part, path)  # what was put there meanwhile
        except ImageFileError:
            swap(part, path)
            raise
        return
    refuse_others(path)
    old = path.with_name(f".{path.name}.old")
    os.replace(path, old)
    os.replace(part, path)
    os.replace(old, part)


def take_back(path: Path) -> None:
    """Put a folder back that a killed export left under another name."""
    old = path.with_name(f".{path.name}.old")
    if not old.is_dir():
        return
    if path.exists():
        if not _other(old):
            shutil.rmtree(old)
        return
    os.replace(old, path)
