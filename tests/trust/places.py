"""Commands in awkward places: a full disk, no room for files, other rights and strange names."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.trust.faults import FAIL, Injector
from tests.trust.gates import Stage, Trying
from tests.trust.works import broken, contents

ROOMS = (1_000, 9_000, 40_000)  # bytes that a file may have
NAMES = {
    "long": "n" * 200,
    "no UTF-8": os.fsdecode(b"caf\xe9"),
    "a dash and spaces": "-a b  c",
    "a line's end": "a\nb",
    "quotes": "a'b\"c$(d)",
}


def within(size: str, *words: str) -> int:
    """Run a command whose files may have so many bytes at most."""
    from tvae_core.cli.main import main

    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    return main(list(words))


def masked(mask: str, *words: str) -> int:
    """Run a command whose new files are nobody else's."""
    from tvae_core.cli.main import main

    os.umask(int(mask, 8))
    return main(list(words))


def with_cache(folder: str) -> int:
    """Clear the cache of prepared images in a folder."""
    from tvae_core.cli.main import main

    os.environ["TVAE_CACHE"] = folder
    return main(["cache", "--clear"])


def without_room(injector: Injector, stage: Stage) -> Iterator[Trying]:
    """Let files have a few bytes only: gate 4."""
    for size in ROOMS:
        yield f"{stage.work.name}: files of {size:,} bytes", partial(_small, injector, stage, size)


def _small(injector: Injector, stage: Stage, size: int) -> list[str]:
    with stage.copy() as folder:
        words = ["tests.trust.places:within", str(size), *stage.work.words]
        trial = injector.trial(words, folder)
        wrong = broken(FAIL, trial, contents(folder), stage.old, stage.new)
        return wrong + stage.mended(injector, folder)


def on_full_disk(injector: Injector, stage: Stage, disk: Path, free: int) -> list[str]:
    """Work on a disk of its own on which so many bytes are free, and then none: gate 4."""
    with small_disk(disk, stage.before, free) as folder:
        trial = injector.trial(stage.work.words, folder)
        return broken(FAIL, trial, contents(folder), stage.old, stage.new)


@contextmanager
def small_disk(at: Path, before: Path, free: int) -> Iterator[Path]:
    """Mount a disk that holds a copy of `before` and has so many bytes left.

    Raises
    ------
    CalledProcessError
        Disks may not be mounted here.
    """
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", at], check=True)
    try:
        folder = at / "work"
        subprocess.run(["cp", "-a", before, folder], check=True)
        state = os.statvfs(at)
        left = state.f_bavail * state.f_frsize - free
        (at / "filler").write_bytes(bytes(max(left, 0)))
        yield folder
    finally:
        subprocess.run(["umount", "-l", at], check=True)


def can_mount(at: Path) -> bool:
    """Return whether disks may be mounted here."""
    at.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(at)]
    try:
        done = subprocess.run(words, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
    if done:
        subprocess.run(["umount", str(at)], check=True)
    return done
