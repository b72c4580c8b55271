"""What do prepared images on disk cost and save, on a set larger than memory is asked for?

    python benchmarks/prepared.py PARTICLES.mrcs [--gigabytes 20] [--page FILE] [--only training]

PARTICLES.mrcs holds a few real particles. A stack of a thousand is made of them, turned and with
noise added, and a RELION table over many links to that stack, each particle with a defocus of its
own: so the set takes little room on the disk, and is read through the system's memory. What is
prepared of it takes its full size. Measured: preparing, killed once and resumed; a second run on
the same cache; the reading of an epoch in random order, its file first dropped from the system's
memory, beside `dd` on the same file; the same epoch made anew by one thread, on a stretch; a
whole epoch of `tvae train` with a model so small that reading is most of its work, beside the
processes that prepare, and one when all is prepared; peak memory of each process, at a tenth of
the set as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.core.images.makers import mrc_bytes
from tvae_core.images.opening import open_stack

_EACH = 1000  # particles of the stack that all links lead to
_OPTICS = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnImagePixelSize #5
_rlnImageSize #6
1 300.0 2.7 0.1 1.403 {side}

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
"""
_SETTINGS = ("--preset", "fast-particles")
_SMALL = (
    "--set",
    "model.system=vae",
    "--set",
    "model.mlp_hidden=16",
    "--batch-size",
    "100",
    "--epochs",
    "1",
)
_TVAE = (sys.executable, "-m", "tvae_core.cli.main")


@dataclass
class Cost:
    """What a command took with all its processes."""

    clock_s: float = 0.0
    processor_s: float = 0.0
    peak_mb: dict[str, float] = field(default_factory=dict)
    output: str = ""


def main() -> None:
    """Make the set, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("particles", type=Path)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--kept-px", type=int, default=128)
    parser.add_argument("--phase-flip", action="store_true")
    parser.add_argument("--only", choices=("preparing", "training"))
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        rows = measured(Path(name), options)
    lines = ["| what | figure |", "|---|---|", *(f"| {what} | {said} |" for what, said in rows)]
    if options.page:
        _write_page(options.page, lines)


def measured(folder: Path, options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the rows of the table, printing each as it is found."""
    rows: list[tuple[str, str]] = []

    def tell(what: str, said: str) -> None:
        rows.append((what, said))
        print(f"| {what} | {said} | load {os.getloadavg()[0]:.1f}", flush=True)

    with open_stack(options.particles) as stack:
        bytes_each = 4 * stack.height * stack.width
    count = _EACH * max(1, round(options.gigabytes * 1e9 / bytes_each / _EACH))
    table = make(folder / "set", options.particles, count)
    tell("machine", f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB memory")
    tell("the set", f"{count:,} particles of {stack.height} px, {count * bytes_each / 1e9:.1f} GB")
    flip = ("--set", "data.phase_flip=true") if options.phase_flip else ()
    images = ("--data", table, *_SETTINGS, *flip, "--downsample-px", options.kept_px)
    if options.only != "training":
        os.environ["TVAE_CACHE"] = str(folder / "cache")
        small = make(folder / "small", options.particles, max(5 * _EACH, count // 10))
        for words in _preparing(folder, images, small):
            tell(*words)
        shutil.rmtree(folder / "cache")
    if options.only != "preparing":
        os.environ["TVAE_CACHE"] = str(folder / "another cache")
        for words in _training(folder / "trained", images):
            tell(*words)
    return rows


def _preparing(folder: Path, images: tuple[object, ...], small: Path) -> Iterator[tuple[str, str]]:
    """Measure `tvae prepare`, killed and resumed, a second run, and the reading of epochs."""
    run = folder / "run"
    share = killed(run, images)
    yield ("`tvae prepare` killed", f"at {100 * share:.0f} %")
    cost = of_command("prepare", run, "--json")
    done = json.loads(cost.output)
    yield ("resumed, to the end", _cost(cost))
    yield ("peak memory, the command and each worker", _peaks(cost))
    size = done["bytes_on_disk"]
    yield ("kept", f"{size / 1e9:.2f} GB as {done['form']}")
    yield ("rounding", next(one for one in done["remarks"] + [_remark(run)] if "nat" in one))
    cost = of_command("prepare", folder / "second", *images, "--json")
    shared = json.loads(cost.output)["folder"] == done["folder"]
    yield ("a second run on the same cache", f"{_cost(cost)}, the same file: {shared}")
    yield from _epochs(run, Path(done["folder"]) / "images.npy")
    of_command("prepare", folder / "tenth", "--data", small, *images[2:])
    peaks = [_loader(folder / "tenth", True)["peak_mb"], _loader(run, True)["peak_mb"]]
    yield (
        "peak memory of reading an epoch, a tenth of the set and the set",
        f"{peaks[0]:,.0f} MB, {peaks[1]:,.0f} MB",
    )


def _training(run: Path, images: tuple[object, ...]) -> Iterator[tuple[str, str]]:
    """Measure an epoch of a small model from nothing prepared, and one when all is there."""
    from tvae_core.images.prepared_cache import PreparedCache

    first, peaks = trained(run, (*images, *_SMALL))
    yield "first epoch of `tvae train`, beside the preparing", first
    yield "of the images prepared by then", f"{100 * PreparedCache().entries()[0].share:.0f} %"
    yield "peak memory, the command and each worker", peaks
    yield "the rest by `tvae prepare`", _cost(of_command("prepare", run))
    later, peaks = trained(run.with_name("later"), (*images, *_SMALL))
    yield "an epoch of `tvae train` from the file", f"{later}; {peaks}"
    (file,) = Path(os.environ["TVAE_CACHE"]).rglob("images.npy")
    cold = _loader(run, True, drop=True)
    yield "an epoch of reading alone", _epoch(cold, file.stat().st_size)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = _dd(file)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    yield "`dd` reads that file", f"{processor:,.1f} CPU s, {clock:,.1f} s by the clock"


def _epochs(run: Path, file: Path) -> list[tuple[str, str]]:
    """Measure an epoch made anew by one thread, then from the disk, beside dd."""
    anew = _loader(run, False, 4000)
    cold, again = _loader(run, True, drop=True), _loader(run, True)
    disk, rewarmed = _dd(file), _dd(file, False)
    size = file.stat().st_size
    return [
        ("an epoch made anew by one thread, from 4,000 images", _epoch(anew, size)),
        ("an epoch from the disk, nothing of the file in memory", _epoch(cold, size)),
        ("an epoch from the file in the system's memory", _epoch(again, size)),
        ("`dd` reads that file, nothing of it in memory", f"{size / disk / 1e6:,.0f} MB/s"),
        ("`dd` reads it from the system's memory", f"{size / rewarmed / 1e6:,.0f} MB/s"),
    ]


def make(folder: Path, particles: Path, count: int) -> Path:
    """Write a table of `count` particles over links to one stack; return the table's path."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with open_stack(particles) as stack:
        real = stack.read(np.arange(len(stack)))
    turned = np.stack([np.rot90(real[n % len(real)], n // len(real)) for n in range(_EACH)])
    noise = rng.normal(0, float(real.std()) / 2, turned.shape).astype(np.float32)
    (folder / "stack.mrcs").write_bytes(mrc_bytes((turned + noise).astype(np.float32)))
    for link in range(-(-count // _EACH)):
        (folder / f"link{link:04d}.mrcs").symlink_to("stack.mrcs")
    table = folder / "particles.star"
    defocus = rng.uniform(9000, 25000, count)
    with open(table, "w", encoding="ascii") as stream:
        stream.write(_OPTICS.format(side=real.shape[1]))
        for row, value in enumerate(defocus.tolist()):
            link, image = divmod(row, _EACH)
            name = f"{image + 1:06d}@link{link:04d}.mrcs"
            stream.write(f"{name} 1 {value:.1f} {value - 200:.1f} 12.0\n")
    return table


def of_command(*words: object) -> Cost:
    """Return what `tvae` took with its children, sampling the memory of each."""
    process = _started(*words)
    cost, began = Cost(), time.monotonic()
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, cost, stop))
    watcher.start()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost.output = process.communicate()[0]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    stop.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"tvae {words[0]} ended with {process.returncode}")
    cost.clock_s = time.monotonic() - began
    cost.processor_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return cost


def killed(run: Path, images: tuple[object, ...]) -> float:
    """Begin to prepare, kill the command at about a third; return the share that is there."""
    from tvae_core.images.prepared_cache import PreparedCache

    process = _started("prepare", run, *images)
    while True:
        time.sleep(1.0)
        entries = PreparedCache().entries()
        share = entries[0].share if entries else 0.0
        if share > 1 / 3 or process.poll() is not None:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return PreparedCache().entries()[0].share


def trained(run: Path, images: tuple[object, ...]) -> tuple[str, str]:
    """Train for an epoch; return what it took with all processes, and peak memory."""
    process = _started("train", run, *images, "--json", "--no-embed", "--device", "cpu")
    assert process.stdout is not None
    cost, stop, found = Cost(), threading.Event(), ""
    watcher = threading.Thread(target=_watch, args=(process.pid, cost, stop))
    watcher.start()
    for line in process.stdout:
        record = json.loads(line)
        if record["kind"] == "failed":
            raise SystemExit(record["what"])
        if record["kind"] == "epoch":
            spent, clock = _spent(process.pid), record["seconds"]
            found = f"{spent:,.0f} CPU s with the start, {clock:,.0f} s by the clock"
    process.communicate()
    stop.set()
    watcher.join()
    return found, _peaks(cost)


def _spent(number: int) -> float:
    """Return the processor seconds of a process and of its children, those that ended too."""
    parent = psutil.Process(number)
    own = parent.cpu_times()
    total = float(sum(own[:4]))
    return total + sum(float(sum(one.cpu_times()[:2])) for one in parent.children())


_LOADS = """
import json, sys, time
from pathlib import Path
import numpy as np
from tvae_core.engine.data import CachedImages, epoch_batches, prefetch
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.images import open_images_of_run
from tvae_core.runs.preparing import attach
run, kept, most = RunFolder(Path(sys.argv[1])), sys.argv[2] == "kept", int(sys.argv[3])
data = run.config().data
with open_images_of_run(run, data) as images:
    if kept:
        assert attach(run, images, data).is_complete
    cached = CachedImages(images)
    batches = epoch_batches(np.arange(len(images)), 100, 0, 0)[: most // 100]
    cpu, began = time.process_time(), time.monotonic()
    count = sum(len(batch) for batch in prefetch(cached, batches))
    took = time.monotonic() - began, time.process_time() - cpu
# not ru_maxrss: it begins with the peak of the process that started this one
status = dict(line.split(":") for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1e3
print(json.dumps({"images": count, "all": len(images), "clock_s": took[0], "processor_s": took[1],
                  "peak_mb": peak}))
"""


def _loader(run: Path, kept: bool, most: int = 1 << 40, drop: bool = False) -> dict[str, Any]:
    """Return what reading the batches of an epoch takes in a process of its own."""
    if drop:
        for file in Path(os.environ["TVAE_CACHE"]).rglob("*.npy"):
            _drop(file)
    words = [sys.executable, "-c", _LOADS, str(run), "kept" if kept else "anew", str(most)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _epoch(found: dict[str, Any], size: float) -> str:
    """Return the seconds of the whole epoch, and how fast the file was read."""
    times = found["all"] / found["images"]
    clock, processor = times * found["clock_s"], times * found["processor_s"]
    speed = f", {size / clock / 1e6:,.0f} MB/s" if times == 1 else ""
    return f"{processor:,.1f} CPU s, {clock:,.1f} s by the clock{speed}"


def _dd(file: Path, drop: bool = True) -> float:
    """Return the seconds that dd takes to read a file."""
    if drop:
        _drop(file)
    began = time.monotonic()
    subprocess.run(["dd", f"if={file}", "of=/dev/null", "bs=8M"], capture_output=True, check=True)
    return time.monotonic() - began


def _drop(file: Path) -> None:
    """Let the system forget what it remembers of a file."""
    with open(file, "rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _watch(number: int, cost: Cost, stop: threading.Event) -> None:
    parent = psutil.Process(number)
    while not stop.wait(0.5):
        try:
            for one in (parent, *parent.children(recursive=True)):
                kind = "the command" if one.pid == number else "a worker"
                now = one.memory_info().rss / 1e6
                cost.peak_mb[kind] = max(cost.peak_mb.get(kind, 0.0), now)
        except psutil.Error:
            continue


def _started(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_TVAE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _remark(run: Path) -> str:
    config = json.loads((run / "config.json").read_text())
    return f"{config['data']['kept_as']}, below 0.1 nat an image"


def _cost(cost: Cost) -> str:
    return f"{cost.processor_s:,.0f} CPU s, {cost.clock_s:,.0f} s by the clock"


def _peaks(cost: Cost) -> str:
    return ", ".join(f"{kind} {mb:,.0f} MB" for kind, mb in cost.peak_mb.items())


def _write_page(page: Path, lines: list[str]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    head = [
        "# Prepared images on disk",
        "",
        f"`python benchmarks/prepared.py`, Python {platform.python_version()}, {commit}. "
        "[What it means](../scale.md).",
        "",
    ]
    page.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    print(f"{page}: {shutil.disk_usage(page.parent).free / 1e9:.0f} GB free")


if __name__ == "__main__":
    main()
