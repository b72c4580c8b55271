"""A process that prepares images of a run and writes them into a file: every n-th missing block.

It reads its task as one line of JSON and ends when its input does, so that none outlives whoever
started it. What goes wrong it prints as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import numpy as np

from tvae_core.config import DataConfig
from tvae_core.errors import DeviceError, FileError, TvaeError
from tvae_core.files import file_error
from tvae_core.images.prepared import PreparedStack
from tvae_core.images.prepared_file import PreparedFile
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import open_images_of_run

_RAW_BYTES = 16 << 20  # read at once; transforms take some times as much


def main() -> int:
    """Do the task that the first line of the input says."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(task["nice"])
    try:
        work(
            RunFolder(Path(task["run"])),
            DataConfig.model_validate(task["data"]),
            Path(task["folder"]),
            task["first"],
            task["step"],
        )
    except (TvaeError, OSError, MemoryError) as error:
        told = _told(error)
        said = [type(told).__name__, told.what, told.where, told.todo]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        return told.exit_code
    return 0


def work(run: RunFolder, data: DataConfig, folder: Path, first: int, step: int) -> None:
    """Prepare every `step`-th missing block from the `first` on.

    Raises
    ------
    ImageFileError
        An image cannot be read, or is another than when the run was started.
    FileError
        A block cannot be written.
    """
    with open_images_of_run(run, data) as images:
        file = PreparedFile(folder)
        images.keep_in(file.about.form, file)
        for block in file.missing()[first::step].tolist():
            write_block(images, file, block)


def write_block(images: PreparedStack, file: PreparedFile, block: int) -> None:
    """Prepare the images of a block, a few at a time, and write it."""
    these = file.images_of(block)
    raw = 4 * images.stack.height * images.stack.width * images.stack.channels
    few = max(1, _RAW_BYTES // raw)
    made = [images.read(these[at : at + few]) for at in range(0, len(these), few)]
    file.write(block, np.concatenate(made), images.stack.prints[these])


def _end_with(stream: TextIO) -> None:
    """End at once when nobody is left who could write to a stream."""
    while stream.read(1):
        pass
    os._exit(1)


def _told(error: Exception) -> TvaeError:
    if isinstance(error, TvaeError):
        return error
    if isinstance(error, OSError):
        told: FileError = file_error(error)
        return told
    return DeviceError("there is not enough memory to prepare images")


if __name__ == "__main__":
    sys.exit(main())
