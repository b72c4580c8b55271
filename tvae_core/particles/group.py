"""cryoSPARC .csg groups: a few lines of YAML that say which .cs file holds which slot.

Only what cryoSPARC writes is understood: `results:`, then an indented name for each slot, and below
it `metafile: '>file.cs'`, relative to the group's folder. No YAML library is needed for that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tvae_core.errors import TableError

_KINDS = {
    "alignments2D": "alignments2D",
    "alignments3D": "alignments3D",
    "blob": "blob",
    "ctf": "ctf",
    "filament": "filament",
    "location": "location",
    "ml_properties": "ml_properties",
    "pick_stats": "pick_stats",
    "sym_expand": "sym_expand",
}
_CLASS_SLOTS = {
    "alignments_class2D_": "alignments2D",
    "alignments_class3D_": "alignments3D",
    "alignments_class_": "alignments3D",
}


def slots_of_group(path: Path) -> dict[Path, list[str]]:
    """Return the .cs files of a group, that of the slot blob first, each with its slots.

    Raises
    ------
    TableError
        It is no group of particles, or a file is not beside it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise TableError("not a cryoSPARC group: not text", path) from None
    slots = _metafiles(lines)
    if not slots:
        raise TableError("not a cryoSPARC group: no results with a metafile", path)
    files: dict[Path, list[str]] = {}
    for slot, name in sorted(slots.items(), key=lambda item: item[0] != "blob"):
        files.setdefault(path.parent / name, []).append(slot)
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise TableError(f"its table {missing.relative_to(path.parent)} is not beside it", path)
    if len(files) > 1 and "blob" not in slots:
        raise TableError("no slot blob, so no images", path, "give the group of the particles")
    return files


def _metafiles(lines: list[str]) -> dict[str, str]:
    """Return the file of each slot below `results:`."""
    slots: dict[str, str] = {}
    slot, inside = "", False
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if not line[:1].isspace():
            inside = key == "results"
        elif inside and key == "metafile":
            slots[slot] = value.strip("'\"").lstrip(">")
        elif inside and not value:
            slot = key
    return slots


def parts_of_table(path: Path) -> list[Path]:
    """Return the files a table is read from: itself, or the .cs files of a group behind it.

    Raises
    ------
    TableError
        As `slots_of_group`.
    """
    return [path, *slots_of_group(path)] if path.suffix.lower() == ".csg" else [path]


def group_text(column_names: list[str], rows: int, file_name: str, title: str) -> str:
    """Return the .csg group of a .cs file whose fields are `column_names`."""
    present = dict.fromkeys(name.partition("/")[0] for name in column_names if "/" in name)
    lines = [
        f"created: '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'",
        "group:",
        "  description: Particles chosen in a latent space",
        "  name: particles",
        "  title: '" + title.replace("'", "''") + "'",
        "  type: particle",
        "results:",
    ]
    for slot in present:
        kind = _kind(slot)
        if kind:
            lines += [
                f"  {slot}:",
                f"    metafile: '>{file_name}'",
                f"    num_items: {rows}",
                f"    type: particle.{kind}",
            ]
    return "\n".join([*lines, "version: v4.4.0", ""])


def _kind(slot: str) -> str:
    """Return the kind of a slot, also of those of several classes; empty where it is our own."""
    of_class = (kind for start, kind in _CLASS_SLOTS.items() if slot.startswith(start))
    return _KINDS.get(slot, "") or next(of_class, "")
