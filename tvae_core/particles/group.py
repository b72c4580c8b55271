"""cryoSPARC .csg groups: a few lines of YAML that say which .cs file holds which slot.

Only what cryoSPARC writes is understood: `results:`, then an indented name for each slot, and below
it `metafile: '>file.cs'`, relative to the group's folder. No YAML library is needed for that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tvae_core.errors import TableError

_SLOTS = ("alignments2D", "alignments3D", "blob", "ctf", "filament", "location", "pick_stats")


def file_of_group(path: Path) -> Path:
    """Return the .cs file that holds all slots of a group.

    Raises
    ------
    TableError
        It is no group of particles, or its slots lie in several files.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise TableError("not a cryoSPARC group: not text", path) from None
    named = [line.partition(":")[2] for line in lines if line.strip().startswith("metafile:")]
    files = list(dict.fromkeys(name.strip().strip("'\"").lstrip(">") for name in named))
    if not files or "results:" not in (line.rstrip() for line in lines):
        raise TableError("not a cryoSPARC group: no results with a metafile", path)
    if len(files) > 1:
        listed = ", ".join(files)
        todo = "open the one that holds the slot blob"
        raise TableError(f"its slots lie in {len(files)} files: {listed}", path, todo)
    found = path.parent / files[0]
    if not found.is_file():
        raise TableError(f"its table {files[0]} is not beside it", path)
    return found


def group_text(column_names: list[str], rows: int, file_name: str, title: str) -> str:
    """Return the .csg group of a .cs file whose fields are `column_names`."""
    present = {column.partition("/")[0] for column in column_names}
    lines = [
        f"created: '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'",
        "group:",
        "  description: Particles chosen in a latent space",
        "  name: particles",
        "  title: '" + title.replace("'", "''") + "'",
        "  type: particle",
        "results:",
    ]
    for slot in (slot for slot in _SLOTS if slot in present):
        lines += [
            f"  {slot}:",
            f"    metafile: '>{file_name}'",
            f"    num_items: {rows}",
            f"    type: particle.{slot}",
        ]
    return "\n".join([*lines, "version: v4.4.0", ""])
