"""`tvae info PATH`: describe images, a run or a store.

Of images it reads the headers and a sample; `--deep` reads every pixel.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvae_core import words
from tvae_core.analysis.verdict import Verdict
from tvae_core.cli.reporting import progress, tell
from tvae_core.config import OPENED_BY
from tvae_core.errors import StoreError
from tvae_core.runs.folder import RunFolder

if TYPE_CHECKING:
    from tvae_core.config import DataConfig
    from tvae_core.store import EmbeddingStore


_READING = tuple(name for name in OPENED_BY if name not in ("path", "pick", "box_px"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae info`."""
    from tvae_core.config import DataConfig
    from tvae_core.images.registry import readable
    from tvae_core.work.settings import add_parameter, default_words

    parser.epilog = f"Images are read from names that end in {readable()}."
    parser.add_argument("path", help="images, a run's folder or a store")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="read every pixel of every image; else, of a large set, a thousand images. Stopped, it"
        " goes on where it was",
    )
    for name in _READING:
        add_parameter(parser, "data", name, default_words(DataConfig.model_fields[name].default))


def run(arguments: argparse.Namespace) -> int:
    """Describe; exit status 2 and one line on stderr when it cannot be used whole."""
    path = Path(arguments.path)
    if path.is_dir() and (path / "config.json").exists():
        facts = _run_facts(path)
    elif (store := _store_facts(path)) is not None:
        facts = store
    else:
        from tvae_core.images.inspect import describe
        from tvae_core.work.request import quiet

        with progress(arguments) as share:
            reading = _reading(arguments)
            told = share if arguments.deep else quiet  # a sample is read at once
            facts = describe(path, reading, arguments.deep, told, arguments.cancelled)
    tell(arguments, facts, _lines(facts))
    trouble = _trouble(facts)
    if trouble:
        sys.stderr.write(f"tvae: error: {path}: {trouble}\n")
        return 2
    return 0


def _reading(arguments: argparse.Namespace) -> DataConfig:
    """Return how the images are to be read."""
    from tvae_core.config import RunConfig

    given = [f"{key}={value}" for key, value in vars(arguments).items() if "." in key]
    return RunConfig().changed(given).data


def _run_facts(path: Path) -> dict[str, Any]:
    from tvae_core.config import load_config
    from tvae_core.progress import Epoch
    from tvae_core.runs.listing import records_of

    config = load_config(path / "config.json", kept=True)
    epochs = [one for one in records_of(path / "metrics.jsonl") if isinstance(one, Epoch)]
    last = epochs[-1] if epochs else None
    return {
        "kind": "run",
        "images from": config.data.path,
        "epochs done": len(epochs),
        "epochs": config.train.epochs,
        "elbo": None if last is None else last.elbo,
        "validation_elbo": None if last is None else last.validation_elbo,
        "rotations": config.model.rotations,
        "z_dim": config.model.z_dim,
        "embedded": (path / "embeddings.h5").exists(),
        "learned": _learned(RunFolder(path).verdict_text()),
    }


def _learned(text: str) -> str:
    """Return the verdict on a run in words, empty where there is none."""
    found = Verdict.from_json(text)
    return "" if found is None else found.words


def _store_facts(path: Path) -> dict[str, Any] | None:
    if path.suffix.lower() not in (".h5", ".hdf5"):
        return None
    from tvae_core.store import EmbeddingStore

    try:
        with EmbeddingStore(path) as store:
            header = store.header
            return {
                "kind": "embedding store",
                "count": store.images,
                "side": header.side,
                "channels": header.channels,
                "pixel_size_angstrom": header.pixel_size_angstrom,
                "z_dim": store.z_dim,
                "rotations": header.config.model.rotations,
                "run": header.run,
                "learned": _learned(header.verdict),
                "images from": header.config.data.path,
                "images known by": _known_by(store),
                "created": header.created_utc,
                "software": header.software,
            }
    except StoreError as error:
        if "not an embedding file" in error.what or error.what == "no such file":
            return None
        raise


def _known_by(store: EmbeddingStore) -> str:
    if store.images_known_by.prints is None:
        return "name or position only (embed the run again to add their content)"
    return "name and content"


def _lines(facts: dict[str, Any]) -> str:
    shown = {k: v for k, v in facts.items() if v not in (None, [], {}, "")}
    if "looked_at" in shown:
        shown["looked_at"] = _looked_at(facts)
    width = max(len(key) for key in shown)
    return "\n".join(f"{key.replace('_', ' '):<{width}}  {_text(v)}" for key, v in shown.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(str(part) for part in value)
    return str(value)


def _looked_at(facts: dict[str, Any]) -> str:
    """Return of which images the values below are."""
    if facts["looked_at"] == facts["count"]:
        return "every pixel of every image"
    return (
        f"{facts['looked_at']:,} of {facts['count']:,} images, spread over the set "
        "(--deep reads all)"
    )


def _trouble(facts: dict[str, Any]) -> str:
    if not facts.get("bad_pixels"):
        return ""
    whole = facts["looked_at"] == facts["count"]
    if facts["mean"] is None:
        what = "every image" if whole else f"all {facts['looked_at']:,} images looked at"
        return f"every pixel of {what} is NaN or infinite (choose other images)"
    pixels, images = (words.count(facts[f"bad_{noun}s"], noun) for noun in ("pixel", "image"))
    of = "" if whole else f" of the {facts['looked_at']:,} looked at"
    todo = "set data.bad_pixels to zero or mean"
    verb = "is" if pixels == words.count(1, "pixel") else "are"
    return f"{pixels} in {images}{of} {verb} NaN or infinite ({todo})"
