"""`tvae cache`: list the prepared images that are kept, limit them, check them, let go of them."""

from __future__ import annotations

import argparse
import time

from tvae_core.cli.reporting import progress, tell
from tvae_core.images.prepared_cache import Entry
from tvae_core.words import count, duration, size
from tvae_core.work.cache import Cache, CacheRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae cache`."""
    parser.epilog = "TVAE_CACHE names another folder to keep them in."
    CacheRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it and list what there is."""
    request = CacheRequest.of(arguments)
    with progress(arguments) as told:
        done = request.run(told, arguments.cancelled)
    facts = vars(done) | {"entries": [_facts(entry) for entry in done.entries]}
    tell(arguments, facts, *_lines(done))
    return 4 if done.damaged and any(done.damaged.values()) else 0


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.key,
        "folder": entry.folder,
        "images": entry.about.count if entry.about else None,
        "form": entry.about.form if entry.about else None,
        "side": entry.about.side if entry.about else None,
        "made_from": entry.about.made_from if entry.about else None,
        "settings": entry.about.settings if entry.about else None,
        "bytes": entry.bytes_on_disk,
        "share": entry.share,
        "used_at": entry.used_at,
    }


def _lines(done: Cache) -> list[str]:
    lines = [_line(entry) for entry in done.entries]
    together = sum(entry.bytes_on_disk for entry in done.entries)
    kept = f"{done.limits.days:g} days unused" if done.limits.days else "any time unused"
    lines.append(
        f"{count(len(done.entries), 'file')} of prepared images, {size(together)} of "
        f"{size(done.largest_bytes)} allowed, kept for {kept}: {done.folder}"
    )
    if done.removed:
        lines.append(f"let go: {', '.join(name[:8] for name in done.removed)}")
    if done.busy:
        lines.append(f"in use, still there: {', '.join(name[:8] for name in done.busy)}")
    for name, wrong in (done.damaged or {}).items():
        lines.append(f"{name[:8]}: {_judgement(wrong)}")
    return lines


def _judgement(wrong: int) -> str:
    if wrong < 0:
        return "cannot be read"
    return f"{count(wrong, 'block')} damaged, to be made again" if wrong else "sound"


def _line(entry: Entry) -> str:
    about = entry.about
    if about is None:
        return f"{entry.key[:8]}  damaged, {size(entry.bytes_on_disk)}"
    done = "" if entry.share == 1 else f", {100 * entry.share:.0f} % there"
    used = duration(max(0.0, time.time() - entry.used_at))
    settings = f" ({about.settings})" if about.settings else ""
    return (
        f"{entry.key[:8]}  {count(about.count, 'image')} of {about.side} px as {about.form}, "
        f"{size(entry.bytes_on_disk)}{done}, used {used} ago: {about.made_from}{settings}"
    )
