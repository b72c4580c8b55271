"""`evaluation.json` and `evaluation.md` of a run: rows, figures, and what they were made on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from tvae_core.analysis.evaluation import Row
from tvae_core.errors import StoreError
from tvae_core.files import parsed_json, read_text, write_text

NAME = "evaluation.json"
FORMAT, VERSION = "tvae-evaluation", 1


@dataclass(frozen=True)
class Evaluation:
    """The figures of a run.

    about: run, system, parameters, reference_parameters, split, images, of, truth, seed, weights
    (SHA-256); figures: file in the run's folder and caption.
    """

    about: dict[str, Any]
    rows: list[Row]
    figures: list[tuple[str, str]] = field(default_factory=list)

    def value(self, key: str) -> float:
        """Return the figure of that key, NaN when the run has none."""
        return next((row.value for row in self.rows if row.key == key), math.nan)

    @property
    def on(self) -> str:
        """On what images, in words."""
        about = self.about
        parts = {"test": "test images", "validation": "images held out", "all": "training images"}
        return f"{about['images']:,} {parts[about['split']]} of {about['of']:,}"

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        about = self.about
        lines = [f"# {about['run']}: {about['system']}", "", f"{self.on}. {_size(about)}", ""]
        for group, rows in self.groups():
            lines += [f"## {group}", "| | | |", "|---|---|---|"]
            lines += [f"| {row.name} | {shown(row)} | {row.note} |" for row in rows] + [""]
        lines += [f"![{caption}]({file})" for file, caption in self.figures]
        return "\n".join(lines).rstrip() + "\n"

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Return the rows by group, in order."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, lambda row: row.group)]

    def save(self, folder: Path) -> Path:
        """Write both files into the run's folder and return the path of the JSON."""
        figures = [{"file": file, "caption": caption} for file, caption in self.figures]
        values = {"format": FORMAT, "version": VERSION, "about": self.about}
        values |= {"rows": [_finite(asdict(row)) for row in self.rows], "figures": figures}
        write_text(folder / "evaluation.md", self.markdown)
        write_text(folder / NAME, json.dumps(values, indent=1, allow_nan=False) + "\n")
        return folder / NAME


def load_evaluation(path: Path) -> Evaluation:
    """Read an `evaluation.json`.

    Raises
    ------
    StoreError
        It is missing, damaged, or of a newer version.
    """
    try:
        values = parsed_json(read_text(path))
        if values["format"] != FORMAT or values["version"] > VERSION:
            raise StoreError("not an evaluation this version can read", path, "evaluate again")
        rows = [Row(**{**row, "value": _number(row["value"])}) for row in values["rows"]]
        figures = [(figure["file"], figure["caption"]) for figure in values["figures"]]
        return Evaluation(dict(values["about"]), rows, figures)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"cannot read the evaluation ({error})", path, "evaluate again") from None


def shown(row: Row) -> str:
    """Return a figure with its unit, as a person reads it."""
    if math.isnan(row.value):
        return "not defined"
    text = f"{row.value:.3f}" if row.unit == "" else f"{row.value:.1f}"
    return f"{text} {row.unit}".strip()


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and standard deviation of figures over seeds; a single one has no spread.

    NaN is no figure: the text then says over how many of the seeds the mean is.
    """
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "not defined"
    some = "" if len(known) == len(values) else f" ({len(known)} of {len(values)})"
    mean = sum(known) / len(known)
    if len(known) == 1:
        return f"{mean:.{digits}f}{some}"
    deviation = math.sqrt(sum((v - mean) ** 2 for v in known) / (len(known) - 1))
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}{some}"


def _size(about: dict[str, Any]) -> str:
    text = f"{about['parameters']:,} free parameters"
    reference = about["reference_parameters"]
    return f"{text}, TARGET-VAE with the same settings {reference:,}." if reference else f"{text}."


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"value": values["value"] if math.isfinite(values["value"]) else None}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
