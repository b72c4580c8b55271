"""A power cut: the operations of a command replayed up to any one, with what was not synced lost.

Two disks are played. On one, names reach the disk at once and contents only when they are synced (a
renamed file may be empty); on the other, names too are lost unless their folder was synced.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Operation:
    """One line of the injector's log."""

    name: str
    path: str
    other: str
    offset: int
    inode: int
    content: bytes


def read_log(path: Path) -> list[Operation]:
    """Return the operations that the injector logged."""
    found, rest = [], path.read_bytes()
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, one, other, offset, inode, size = os.fsdecode(line).split("\t")
        found.append(Operation(name, one, other, int(offset), int(inode), rest[: int(size)]))
        rest = rest[int(size) :]
    return found


@dataclass
class Disk:
    """What was written and what of it is safe; a name leads to a file's number, None: a folder."""

    names: dict[str, int | None] = field(default_factory=dict)
    safe_names: dict[str, int | None] = field(default_factory=dict)
    written: dict[int, bytearray] = field(default_factory=dict)
    safe: dict[int, bytes] = field(default_factory=dict)
    handles: dict[int, int] = field(default_factory=dict)  # inode to our number

    @classmethod
    def of(cls, folder: Path) -> Disk:
        """Return a disk that holds a folder, everything safe."""
        disk = cls()
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                disk.names[str(path)] = None
            else:
                disk.names[str(path)] = disk._new(path.stat().st_ino, path.read_bytes())
        disk.names[str(folder)] = None
        disk.safe_names = dict(disk.names)
        disk.safe = {number: bytes(content) for number, content in disk.written.items()}
        return disk

    def _new(self, inode: int, content: bytes = b"") -> int:
        number = len(self.written)
        self.written[number] = bytearray(content)
        self.handles[inode] = number
        return number

    def do(self, operation: Operation) -> None:
        """Do one operation."""
        getattr(self, f"_do_{operation.name}")(operation)

    def _do_create(self, operation: Operation) -> None:
        self.names[operation.path] = self._new(operation.inode)

    def _do_open(self, operation: Operation) -> None:
        pass

    _do_nothing = _do_open  # it failed of itself

    def _do_empty(self, operation: Operation) -> None:
        self.written[self.handles[operation.inode]].clear()

    def _do_write(self, operation: Operation) -> None:
        file = self.written[self.handles[operation.inode]]
        end = operation.offset + len(operation.content)
        file.extend(bytes(max(0, end - len(file))))
        file[operation.offset : end] = operation.content

    def _do_cut(self, operation: Operation) -> None:
        file = self.written[self.handles[operation.inode]]
        file.extend(bytes(max(0, operation.offset - len(file))))
        del file[operation.offset :]

    def _do_room(self, operation: Operation) -> None:
        file = self.written[self.handles[operation.inode]]
        file.extend(bytes(max(0, operation.offset - len(file))))

    def _do_sync(self, operation: Operation) -> None:
        if self.names.get(operation.path, 0) is None:
            self._sync_names(operation.path)
        elif operation.inode in self.handles:
            number = self.handles[operation.inode]
            self.safe[number] = bytes(self.written[number])

    def _sync_names(self, folder: str) -> None:
        for names, other in ((self.safe_names, self.names), (self.names, self.safe_names)):
            for path in [path for path in names if os.path.dirname(path) == folder]:
                if names is self.safe_names and path not in other:
                    del self.safe_names[path]
                elif names is self.names:
                    self.safe_names[path] = self.names[path]

    def _do_rename(self, operation: Operation) -> None:
        self._move(operation.path, operation.other)

    def _do_swap(self, operation: Operation) -> None:
        self._move(operation.path, operation.path + "\0")
        self._move(operation.other, operation.path)
        self._move(operation.path + "\0", operation.other)

    def _move(self, one: str, other: str) -> None:
        for path in [path for path in self.names if path == one or path.startswith(one + "/")]:
            self.names[other + path[len(one) :]] = self.names.pop(path)

    def _do_remove(self, operation: Operation) -> None:
        self.names.pop(operation.path, None)

    def _do_folder(self, operation: Operation) -> None:
        self.names[operation.path] = None

    def _do_link(self, operation: Operation) -> None:
        self.names[operation.other] = self.names[operation.path]

    def found(self, names_at_once: bool) -> dict[str, bytes | None]:
        """Return the files (None: folders) that a start after the power cut finds."""
        names = self.names if names_at_once else self.safe_names
        reached = {path for path in names if _reached(path, names)}
        return {
            path: None if (number := names[path]) is None else self.safe.get(number, b"")
            for path in sorted(reached)
        }


def _reached(path: str, names: dict[str, int | None]) -> bool:
    parent = os.path.dirname(path)
    roots = min(names, key=len)
    return path == roots or (parent in names and _reached(parent, names))


def cuts(
    disk: Disk, log: Path, names_at_once: bool
) -> Iterator[tuple[int, dict[str, bytes | None]]]:
    """Give each distinct state that a power cut leaves, and after how many operations.

    `disk` is what the folder held before the command was run in it.
    """
    last: dict[str, bytes | None] | None = None
    for number, operation in enumerate([None, *read_log(log)]):
        if operation is not None:
            disk.do(operation)
        state = disk.found(names_at_once)
        if state != last:
            last = state
            yield number, state


def lay_out(state: dict[str, bytes | None], root: Path, target: Path) -> None:
    """Write a state that was found under `root` to the new folder `target`."""
    for path, content in state.items():
        place = target / os.path.relpath(path, root)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.write_bytes(content)
