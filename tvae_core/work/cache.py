"""The cache of prepared images: what there is, how much there may be, and letting go of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tvae_core.errors import Cancelled, ConfigError, TvaeError
from tvae_core.images.prepared_cache import Entry, Limits, PreparedCache
from tvae_core.images.prepared_file import PreparedFile
from tvae_core.progress import Cancel
from tvae_core.work.request import Option, Progress, Request, never, quiet

_SHORTEST = 4  # letters that a name is known by


@dataclass(frozen=True)
class Cache:
    """What is in the cache after the work.

    Parameters
    ----------
    folder : Path
    entries : tuple of Entry
    limits : Limits
    largest_bytes : float
        What may be kept.
    removed, busy : tuple of str
        Names of files that were let go, and of those that are in use.
    damaged : dict or None
        Blocks that were damaged of each file that was checked, None where none was.
    """

    folder: Path
    entries: tuple[Entry, ...]
    limits: Limits
    largest_bytes: float
    removed: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    damaged: dict[str, int] | None = None


class CacheRequest(Request):
    """What to do with the cache of prepared images; by itself it is only listed."""

    name: ClassVar[str] = "cache"

    clear: Annotated[bool, Option("let go of every file", group="what")] = False
    remove: Annotated[
        tuple[str, ...],
        Option("let go of the file of this name, or of its first letters", metavar="NAME"),
    ] = ()
    check: Annotated[
        bool, Option("read every block and compare it with its digest", group="what")
    ] = False
    size_gb: Annotated[
        float | None,
        Option(
            "gigabytes that may be kept from now on; 0: half of what the disk has free",
            metavar="GB",
        ),
        Field(ge=0),
    ] = None
    days: Annotated[
        float | None,
        Option("days that an unused file is kept from now on; 0: for ever", metavar="DAYS"),
        Field(ge=0),
    ] = None

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Cache:
        """Do it and return what there is then; see `Request.run`."""
        cache = PreparedCache()
        if self.size_gb is not None or self.days is not None:
            before = cache.limits()
            gigabytes = before.gigabytes if self.size_gb is None else self.size_gb
            days = before.days if self.days is None else self.days
            cache.set_limits(Limits(gigabytes, days))
        removed: list[str] = []
        busy: list[str] = []
        for entry in self._chosen(cache.entries()):
            (removed if cache.remove(entry) else busy).append(entry.key)
        damaged = None
        if self.check:
            damaged = dict(_checked(cache.entries(), progress, cancelled))
        return Cache(
            cache.folder,
            tuple(cache.entries()),
            cache.limits(),
            cache.largest_bytes(),
            tuple(removed),
            tuple(busy),
            damaged,
        )

    def _chosen(self, entries: list[Entry]) -> list[Entry]:
        """Return the files to let go of."""
        if self.clear:
            return entries
        chosen = []
        for name in self.remove:
            found = [one for one in entries if one.key.startswith(name)]
            if len(name) < _SHORTEST or len(found) != 1:
                what = f"{len(found)} files begin with {name!r}"
                raise ConfigError(what, "", "see `tvae cache` for their names")
            chosen += found
        return chosen


def _checked(
    entries: list[Entry], progress: Progress, cancelled: Cancel
) -> Iterator[tuple[str, int]]:
    """Yield each file's name and how many of its blocks were damaged: these are made again."""
    total = sum(entry.about.blocks for entry in entries if entry.about) or 1
    done = 0
    for entry in entries:
        try:
            file = PreparedFile(entry.folder)
        except TvaeError:
            yield entry.key, -1
            continue
        wrong = 0
        for _, sound in file.check():
            wrong += not sound
            done += 1
            progress(done / total, "reading blocks")
            if cancelled():
                file.close()
                raise Cancelled("stopped", entry.folder)
        file.close()
        yield entry.key, wrong
