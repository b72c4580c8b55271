"""Every path of the engine on a GPU that is there, one line a path, in under four minutes.

    python benchmarks/gpu_check.py [--device cuda] [--seconds 230] [--only WORD] [--small]

`tests/core/engine/test_devices.py` takes the same paths on a GPU that is pretended; this says
whether the real one agrees, and how fast it is. Needed are torch, numpy, scipy, h5py, pydantic,
safetensors, platformdirs, Pillow, tifffile, mrcfile, gemmi, tqdm, scikit-learn and, for the
pictures of `evaluate`, matplotlib. The turned kernels of `target-vae` need escnn and joblib; where
escnn is absent, those paths say so and the systems without them are tried. `--small` takes tiny
models, to try this script itself on a CPU.

Ends with exit status 1 where a path failed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.device import choose_device
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.step import Schedule, micro_batch_size, train_step
from tvae_core.engine.training.train import train
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.inference import infer
from tvae_core.errors import Cancelled
from tvae_core.presets import load_preset
from tvae_core.progress import Started
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

PACKAGES = (
    "torch", "numpy", "scipy", "h5py", "pydantic", "safetensors", "platformdirs", "pillow",
    "tifffile", "mrcfile", "gemmi", "tqdm", "scikit-learn", "matplotlib", "escnn", "triton",
)  # fmt: skip
# side in px and number of the images of each preset: the sizes of the examples in the docs
PRESETS = {
    "fast-cpu": (50, 400),
    "fast-particles": (128, 120),
    "paper-mnist": (50, 200),
    "paper-particles": (128, 100),
    "paper-galaxy": (100, 100),
    "paper-dsprites": (64, 200),
    "vae-mnist": (50, 400),
    "beta-vae-mnist": (50, 400),
    "spatial-vae-mnist": (50, 400),
    "ablation-1": (50, 200),
    "ablation-2": (50, 200),
    "ablation-3": (50, 200),
    "demo": (48, 120),
}
SMALL = [
    "model.kernel_px=9", "model.encoder_kernels=4", "model.generator_hidden=16",
    "model.fourier_features=16", "model.generator_layers=1", "model.mlp_hidden=8",
    "train.batch_size=10", "train.threads=1",
]  # fmt: skip
WITHOUT_ESCNN = ("ablation-1",)  # the others count the parameters of the turned kernels
HAS_ESCNN = importlib.util.find_spec("escnn") is not None
_LONGEST_S = 40.0  # of one path, so that the others have their turn
NEEDS_ESCNN = "not tried: it needs escnn, which is not installed"


class NotTriedError(Exception):
    """A path that cannot be taken here, and why."""


class Check:
    """The paths, and what became of each."""

    def __init__(self, folder: Path, device: str, seconds: float, only: str, small: bool) -> None:
        self.folder, self.device, self.only = folder, device, only
        self.small = SMALL if small else []
        self.particles = 60 if small else 200
        self.until = time.monotonic() + seconds
        self.failed = 0
        self._names = count()

    def path(self, name: str, work: Callable[[], str]) -> None:
        """Take one path and print its line."""
        if self.only not in name:
            return
        left = self.until - time.monotonic()
        if left < 1:
            print(f"----         {name}: not tried: the time is up", flush=True)
            return
        began = time.monotonic()
        try:
            with _at_most(min(left, _LONGEST_S)):
                said = work()
            verdict = "OK  "
        except NotTriedError as why:
            verdict, said = "----", str(why)
        except Exception as error:  # noqa: BLE001  the next path is tried as well
            self.failed += 1
            verdict, said = "FAIL", _in_one_line(error)
        print(f"{verdict} {time.monotonic() - began:5.1f} s {name}: {said}", flush=True)

    def new_run(self, config: RunConfig) -> RunFolder:
        """Return a new run."""
        run = RunFolder(self.folder / f"run{next(self._names)}")
        run.create(config)
        return run

    def sizes(self, preset: str) -> tuple[int, int]:
        """Return side and number of the images of a preset."""
        side, number = PRESETS[preset]
        return (min(side, 24), min(number, 40)) if self.small else (side, number)

    def images(self, side: int, number: int) -> Path:
        """Return a stack of so many images of blobs, written once."""
        path = self.folder / f"blobs-{side}-{number}.npy"
        if not path.exists():
            np.save(path, blobs(number, side))
        return path

    def config(self, preset: str) -> RunConfig:
        """Return a preset over its images, for one epoch."""
        return self.changed(load_preset(preset), self.images(*self.sizes(preset)))

    def changed(self, config: RunConfig, images: Path, *settings: str) -> RunConfig:
        """Return a config over images, for one epoch unless the settings say otherwise."""
        return config.changed([
            f"data.path={images}", f"train.device={self.device}", "train.epochs=1",
            "train.preview_images=64", "embed.atlas_nodes=8", *self.small, *settings,
        ])  # fmt: skip


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError("the time is up")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _in_one_line(error: BaseException) -> str:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "tvae_core" in f.filename]
    where = f" ({Path(ours[-1].filename).name}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"


def blobs(number: int, side: int) -> np.ndarray:
    """Return images of four blobs each, turned and shifted at random, (number, side, side)."""
    rng = np.random.default_rng(0)
    axis = (np.arange(side) - (side - 1) / 2) / side
    images = np.zeros((number, side, side), np.float32)
    for _ in range(4):
        x, y = rng.normal(0, 0.12, (2, number, 1, 1))
        width = rng.uniform(0.04, 0.1, (number, 1, 1))
        squares = (axis[None, None, :] - x) ** 2 + (axis[None, :, None] - y) ** 2
        images += np.exp(-squares / (2 * width**2)).astype(np.float32)
    images += rng.normal(0.3, 0.03, images.shape).astype(np.float32)
    return np.clip(images, 0, 1)


def environment(device: torch.device) -> str:
    """Return what the machine is."""
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} absent")
    gpu = "cpu"
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        gpu = f"{about.name}, {about.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    return f"{gpu}; Python {platform.python_version()}; {', '.join(versions)}"


# --- the paths ------------------------------------------------------------------------------------
def train_preset(check: Check, preset: str) -> str:
    """Train one epoch and embed; say how fast the steps were."""
    if not HAS_ESCNN and preset not in WITHOUT_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    config = check.config(preset)
    run = check.new_run(config)
    records = list(train(run))
    device = next(r for r in records if isinstance(r, Started)).device
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert np.isfinite(store.z_mean).all(), "contents are not finite"
        assert np.isfinite(store.column("quality/elbo")).all(), "the ELBO is not finite"
    elbo = next(r.elbo for r in records if hasattr(r, "validation_elbo"))
    return f"on {device}, ELBO {elbo:.1f} nats, {step_speed(check, config, preset)}"


def step_speed(check: Check, config: RunConfig, preset: str) -> str:
    """Return time, waits and memory of a step at the preset's batch."""
    device = choose_device(check.device)
    side, _ = check.sizes(preset)
    model = build_model(config.model, side, 1).to(device)
    micro = micro_batch_size(model, config, device)
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.from_numpy(blobs(config.train.batch_size, side)[:, None])

    def step(number: int) -> None:
        train_step(
            model, optimizer, Batch(images), config, Schedule(1e-4, 1.0), number, micro,
            lambda: None,
        )  # fmt: skip

    step(0)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    began, steps = time.perf_counter(), 0
    while steps < 10 and time.perf_counter() - began < 1.5:
        steps += 1
        step(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    each = (time.perf_counter() - began) / steps
    words = f"{1e3 * each:.0f} ms a step of {len(images)} ({len(images) / each:,.0f} images/s)"
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        waits = waits_of(lambda: step(99))
        words += f", micro-batch {micro}, {peak:.1f} GiB, {waits.total()} waits"
    return words


def waits_of(work: Callable[[], None]) -> Counter[str]:
    """Return how often the host waits for the device, as torch itself counts it."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        work()
    torch.cuda.set_sync_debug_mode("default")
    return Counter(
        f"{Path(w.filename).name}:{w.lineno}" for w in seen if "synchron" in str(w.message)
    )


def moved(check: Check, preset: str, first: str, second: str) -> str:
    """Begin on one device, go on and embed on the other."""
    if not HAS_ESCNN and preset not in WITHOUT_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    config = check.changed(  # few and small images: half of it runs on the CPU
        load_preset(preset), check.images(24, 40), f"train.device={first}", "train.epochs=2",
        "train.batch_size=8", "train.threads=1", "model.kernel_px=15",
    )  # fmt: skip
    run = check.new_run(config)
    asked = count()
    try:
        list(train(run, cancelled=lambda: next(asked) >= 6))
    except Cancelled:
        pass
    else:
        raise AssertionError("the run was not stopped")
    config.changed([f"train.device={second}"]).save(run.config_file)
    list(train(run, resume=True))
    list(embed(run))
    return f"begun on {first}, resumed and embedded on {second}"


def same_there(check: Check, preset: str) -> str:
    """Infer and decode with the same weights on the device and on the CPU."""
    if not HAS_ESCNN and preset not in WITHOUT_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    config = check.config(preset)
    side, _ = check.sizes(preset)
    model = build_model(config.model, side, 1).eval()
    images = torch.from_numpy(blobs(16, side)[:, None])
    z = np.random.default_rng(1).normal(size=(4, config.model.z_dim))
    with torch.no_grad():
        here, drawn = infer(model, images, 1.0), Decoder(model).decode(z, 0.3, (1.0, -2.0))
        model = model.to(check.device)
        there, there_drawn = infer(model, images, 1.0), Decoder(model).decode(z, 0.3, (1.0, -2.0))
    picture = float(np.abs(drawn - there_drawn).max())
    entropy = float((here.entropy - there.entropy).abs().max())
    elbo = float(((here.elbo - there.elbo) / here.elbo).abs().max())
    assert picture < 1e-3, f"decoded pictures differ by {picture:.1e}"
    assert elbo < 0.05, f"the ELBO differs by {elbo:.1%}"
    return (
        f"pictures differ by {picture:.1e}, entropy of q(t, r) by {entropy:.1e} nats, "
        f"the ELBO by {elbo:.1e} of itself"
    )


def micro_batches(check: Check, preset: str) -> str:
    """Take the gradient of a batch whole and in parts: they must agree."""
    if not HAS_ESCNN and preset not in WITHOUT_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    device = choose_device(check.device)
    config = check.config(preset).changed(["train.batch_size=24"])
    side, _ = check.sizes(preset)
    model = build_model(config.model, side, 1).to(device)
    images = torch.from_numpy(blobs(24, side)[:, None])
    sums = []
    for micro in (24, 7):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        done = train_step(
            model, optimizer, Batch(images), config, Schedule(0.0, 1.0), 3, micro, lambda: None
        )
        sums.append(done.elbo)
    difference = abs(sums[0] - sums[1]) / abs(sums[0])
    assert difference < 2e-3, f"the ELBO of a step differs by {difference:.1e} with its parts"
    return f"the ELBO of a step in parts of 24 and of 7 differs by {difference:.1e} of itself"


class Used:
    """The paths after training, on one run."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self._run: RunFolder | None = None

    @property
    def run(self) -> RunFolder:
        """A run of particles, trained and embedded; made when it is first asked for."""
        if not HAS_ESCNN:
            raise NotTriedError(NEEDS_ESCNN)
        if self._run is None:
            folder = self.check.folder / "particles"
            write_set(plan_set("hinge", count=self.check.particles, side=64, snr=1.0), folder)
            preset, table = load_preset("fast-particles"), folder / "particles.star"
            run = self.check.new_run(self.check.changed(preset, table, "train.epochs=2"))
            list(train(run))
            list(embed(run))
            self._run = run
        return self._run

    def train_and_embed(self) -> str:
        """Train through a .star table."""
        return f"{len(list(self.run.previews.iterdir()))} files of previews"

    def decode(self) -> str:
        """Decode at poses and sizes."""
        with EmbeddingStore(self.run.store) as store:
            decoder = Decoder.from_store(store, self.check.device)
            began = time.perf_counter()
            drawn = decoder.decode(np.array(store.z_mean[:32]), 0.3, (1.0, 2.0), side=128)
        seconds = (time.perf_counter() - began) / 32
        return f"{drawn.shape[1]} px, {1e3 * seconds:.1f} ms a picture"

    def evaluate(self) -> str:
        """Judge the run on the images held out."""
        from tvae_core.engine.judging.judge import Effort, evaluate

        effort = Effort(samples=4, turns=8, turned_images=4, device=self.check.device)
        judged = evaluate(self.run.path, effort=effort)
        return f"ELBO {judged.evaluation.value('elbo/elbo'):.1f} nats"

    def selftest(self) -> str:
        """Turn and shift images, and ask again."""
        from tvae_core.engine.judging.selftest import SelfTestSize, selftest

        with EmbeddingStore(self.run.store) as store:
            report = selftest(store, SelfTestSize(16, 8, 4), device=self.check.device)
        return f"{report.seconds:.1f} s, fit {report.fit_share:.2f}"

    def detect(self) -> str:
        """Find objects in a field."""
        from tvae_core.engine.detection.detect import Detector, DetectSettings, detect

        field = self.check.folder / "field.npy"
        np.save(field, np.random.default_rng(0).normal(size=(1, 160, 160)).astype(np.float32))
        with EmbeddingStore(self.run.store) as store:
            detector = Detector(store, DetectSettings(images=12, device=self.check.device))
            (found,) = detect(detector, field)
        return f"{len(found.picks)} candidates in {256} px of noise"

    def average(self) -> str:
        """Average all images, realigned with decoded ones."""
        from tvae_core.export.averaging import average_classes, open_averaging
        from tvae_core.export.classes import Chosen

        with EmbeddingStore(self.run.store) as store:
            decoder = Decoder.from_store(store, self.check.device)
            everything = [Chosen("all", np.arange(store.images))]
            with open_averaging(store) as images:
                (average,) = average_classes(store, everything, images, decoder.decode)
        return f"{average.count} images"


def through_ctf(check: Check) -> str:
    """Train and embed with the CTF in the likelihood."""
    if not HAS_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    folder = check.folder / "ctf"
    write_set(plan_set("hinge", count=check.particles // 2, side=64, snr=1.0, ctf=True), folder)
    settings = ("model.ctf=likelihood", "train.pixel_share=1")
    preset, table = load_preset("fast-particles"), folder / "particles.star"
    config = check.changed(preset, table, *settings)
    run = check.new_run(config)
    list(train(run))
    list(embed(run))
    return "trained and embedded"


def other(check: Check, *settings: str) -> str:
    """Train the fast preset with other settings."""
    if not HAS_ESCNN:
        raise NotTriedError(NEEDS_ESCNN)
    run = check.new_run(check.config("fast-cpu").changed(list(settings)))
    list(train(run))
    return ", ".join(settings)


def random_state(check: Check) -> str:
    """Build a model: the random numbers of the GPU must stay as they were."""
    before = torch.cuda.get_rng_state() if check.device != "cpu" else torch.get_rng_state()
    build_model(load_preset("vae-mnist" if HAS_ESCNN else "ablation-1").model, 28, 1)
    after = torch.cuda.get_rng_state() if check.device != "cpu" else torch.get_rng_state()
    assert torch.equal(before, after) or check.device == "cpu", "the state of the GPU was changed"
    return "unchanged"


def take_all(check: Check) -> None:
    """Take every path, the ones that break most first."""
    used = Used(check)
    check.path("train and embed fast-cpu", lambda: train_preset(check, "fast-cpu"))
    check.path("train and embed particles", used.train_and_embed)
    for name in ("decode", "evaluate", "selftest", "detect", "average"):
        check.path(name, getattr(used, name))
    there, cpu = check.device, "cpu"
    for preset in ("fast-cpu", "ablation-1"):
        check.path(f"move {preset} to the CPU", lambda p=preset: moved(check, p, there, cpu))
        check.path(f"move {preset} from the CPU", lambda p=preset: moved(check, p, cpu, there))
        check.path(f"same numbers {preset}", lambda p=preset: same_there(check, p))
        check.path(f"micro-batches {preset}", lambda p=preset: micro_batches(check, p))
    check.path("CTF in the likelihood", lambda: through_ctf(check))
    check.path("muon", lambda: other(check, "train.optimizer=muon", "train.start=unit-variance"))
    check.path("gumbel-softmax", lambda: other(check, "train.sampler=gumbel-softmax"))
    check.path("random state", lambda: random_state(check))
    for preset in PRESETS:
        if preset != "fast-cpu":
            check.path(f"train and embed {preset}", lambda p=preset: train_preset(check, p))
    check.path("compile", lambda: other(check, "train.compile=true"))


def main() -> int:
    """Print a line for each path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=230.0)
    parser.add_argument("--only", default="", help="paths whose name holds this word")
    parser.add_argument("--small", action="store_true", help="tiny models")
    arguments = parser.parse_args()
    print(environment(choose_device(arguments.device)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        check = Check(
            Path(folder), arguments.device, arguments.seconds, arguments.only, arguments.small
        )
        take_all(check)
    print(f"{check.failed} paths failed" if check.failed else "every path that was tried is sound")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
