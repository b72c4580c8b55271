"""What is tried: each command on a small run, what it must leave behind, and what was broken."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tests.core.engine.runs import TINY
from tests.trust.faults import FAIL, Injector, Trial
from tvae_core.cli import main as entry
from tvae_core.cli import stopping
from tvae_core.config import RunConfig
from tvae_core.errors import TvaeError
from tvae_core.hdf5_files import data_sets
from tvae_core.images.opening import open_stack
from tvae_core.store import validate

IMAGES = ("synth", "hinge", "set", "--count=24", "--side=16", "--shift-std-px=1", "--snr=1")
JOURNALS = {"log.txt", "metrics.jsonl", "launch.log"}  # grow line by line; times differ


@dataclass(frozen=True)
class Work:
    """A command, and the words that do it again when it was cut off."""

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()  # where the folder of the run holds a config


WORKS = (
    Work("train", ("train", "run", "--config", "config.json"), resume=("train", "run", "--resume")),
    Work("embed", ("embed", "run")),
    Work("cluster", ("cluster", "run", "--method=ward", "--count=3")),
    Work("clusters beside", ("cluster", "run", "--method=k-means", "--count=3", "--name=more")),
    Work("export npy", ("export", "run", "out.npy", "--cluster=1")),
    Work("export mrcs", ("export", "run", "out.mrcs", "--cluster=1", "--upright")),
    Work("export tif", ("export", "run", "out.tif", "--cluster=1")),
    Work("export h5", ("export", "run", "out.h5", "--cluster=1")),
    Work("export folder", ("export", "run", "pictures", "--cluster=1")),
    Work("export csv", ("export", "run", "out.csv")),
    Work("export figure", ("export", "run", "out.png")),
    Work("export star", ("export", "run", "out.star", "--cluster=1", "--rest=rest.star")),
    Work("average", ("average", "run", "average.mrcs", "--labels=ward")),
    Work("evaluate", ("evaluate", "run", "--turns=4", "--samples=1")),
    Work("decode", ("decode", "run", "-o", "decoded.npy", "--grid=3")),
)
GROWING = ("run/checkpoints/", "run/previews/", "run/verdict.json")  # while a run is trained
_REPLACES = {"export", "average", "decode"}
_KNOWN: dict[str, str] = {}  # digests of numbers by those of bytes


def prepare(injector: Injector, folder: Path) -> None:
    """Make the images and the configuration of the run in `folder`."""
    trial = injector.trial(IMAGES, folder)
    assert trial.exit == 0, trial.told
    settings = ["data.path=set/particles.star", "train.epochs=2", "train.preview_images=16"]
    RunConfig.model_validate(TINY).changed(settings).save(folder / "config.json")


def do_again(work: Work, folder: Path) -> tuple[str, ...]:
    """Return the words that finish what was cut off in `folder`."""
    if work.resume and (folder / "run" / "config.json").exists():
        return work.resume
    return (*work.words, "--overwrite") if work.words[0] in _REPLACES else work.words


def write_badly(path: str) -> None:
    """Write a file without any care, for the test of the injector itself."""
    Path(path).write_text("whole")


def never_asks(*words: str) -> int:
    """Run a command that never asks whether to stop: it is interrupted where it stands.

    Called in a child of the injector only, which ends with it.
    """
    stopping.ASKED_S = 0.001

    @contextmanager
    def deaf() -> Iterator[Callable[[], bool]]:
        with stopping.stopped_by_signals():
            yield lambda: False

    entry.stopped_by_signals = deaf
    return entry.main(words)


def stages(injector: Injector, ground: Path) -> Iterator[tuple[Work, Path, Path]]:
    """Do the works one after another; give each with the folder before it and after it."""
    before = ground / "0"
    before.mkdir(parents=True)
    prepare(injector, before)
    for number, work in enumerate(WORKS, 1):
        after = ground / str(number)
        shutil.copytree(before, after, symlinks=True)
        trial = injector.trial(work.words, after)
        assert trial.exit == 0, trial.told
        yield work, before, after
        before = after


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of what each file of a folder holds, by relative path; no journals."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [path for path in files if path.name not in JOURNALS]
    return {str(path.relative_to(folder)): content(path, folder) for path in kept}


def content(path: Path, folder: Path) -> str:
    """Return a digest of what a file holds: the numbers where its bytes hold the time too."""
    if path.name.startswith("."):
        return "hidden"
    there = path.read_bytes()
    if path.suffix == ".json":
        there = there.replace(str(folder).encode(), b"")
    raw = hashlib.sha256(there).hexdigest()
    if path.suffix not in (".h5", ".mrcs"):
        return raw
    if raw not in _KNOWN:
        _KNOWN[raw] = _of_numbers(path)
    return _KNOWN[raw]


def _of_numbers(path: Path) -> str:
    try:
        if path.suffix == ".h5":
            return _of_hdf5(path)
        stack = open_stack(path)
        return hashlib.sha256(stack.read(np.arange(len(stack))).tobytes()).hexdigest()
    except (OSError, RuntimeError, LookupError, ValueError, TvaeError) as error:
        return f"damaged: {error}"


def _of_hdf5(path: Path) -> str:
    digest = hashlib.sha256()
    if path.name == "embeddings.h5" and (wrong := validate(path)):
        return f"damaged: {wrong}"

    with h5py.File(path, "r", locking=False) as file:
        for name, values in data_sets(file).items():
            digest.update(name.encode() + repr(values[()]).encode())
            if values.dtype.kind in "fiub":
                digest.update(values[()].tobytes())
    return digest.hexdigest()


def broken(
    kind: int, trial: Trial, found: dict[str, str], old: dict[str, str], new: dict[str, str]
) -> list[str]:
    """Return which promises a trial broke, in words; nothing when all were kept.

    `found`, `old` and `new` are the `contents` after the trial, before it and after a whole one.
    """
    wrong = ["it hung"] if trial.late else []
    if kind == FAIL:
        wrong += _badly_told(trial)
    for name in sorted(set(old) | {name for name in new if not name.startswith(GROWING)}):
        states = [state for state in (old.get(name), new.get(name)) if state is not None]
        if name in found and found[name] not in states:
            wrong.append(f"{name}: neither old nor new ({found[name][:80]})")
        if name in old and name in new and name not in found:
            wrong.append(f"{name}: gone")
        if trial.exit == 0 and kind == FAIL and found.get(name) != new.get(name):
            wrong.append(f"{name}: exit 0, but it is not what was asked for")
    return wrong


def _badly_told(trial: Trial) -> list[str]:
    if trial.signal is not None:
        return [f"ended by signal {trial.signal}"]
    if trial.exit == 0:
        return []
    if trial.exit != 3:
        return [f"exit {trial.exit}: {trial.told[-300:]}"]
    return [] if trial.one_line else [f"not one line: {trial.told[-300:]}"]


def not_mended(trial: Trial, found: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return what is wrong after the command was done again, undisturbed."""
    if trial.exit != 0:
        return [f"done again: exit {trial.exit}, signal {trial.signal}: {trial.told[-300:]}"]
    other = [name for name in new if found.get(name) != new[name]]
    left = sorted(set(found) - set(new))
    wrong = [f"done again: {name} differs from a run undisturbed" for name in other]
    return wrong + [f"left over: {name}" for name in left]
