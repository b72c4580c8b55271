"""Every path of the engine on a GPU: one that is pretended, so that it is tried on any machine.

`benchmarks/gpu_check.py` takes the same paths on a GPU that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.core.engine.pretended_device import GPU, PretendedGpu
from tests.core.engine.runs import SIDE, tiny_run, write_images
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.engine.data import Batch
from tvae_core.engine.detection.detect import Detector, DetectSettings, detect
from tvae_core.engine.judging.judge import Effort, evaluate
from tvae_core.engine.judging.selftest import SelfTestSize, selftest
from tvae_core.engine.lifting.fourier_conv import FourierPlan
from tvae_core.engine.lifting.lifting_method import METHODS, Method, measure
from tvae_core.engine.model.checkpoint import load_newest
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.training.linear_start import Lessons, LinearModel
from tvae_core.engine.training.step import train_step
from tvae_core.engine.training.train import train
from tvae_core.engine.training.trainer_state import TrainerState
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.embed import embed
from tvae_core.errors import Cancelled, DeviceError
from tvae_core.export.averaging import average_classes, open_averaging
from tvae_core.export.classes import Chosen
from tvae_core.presets import load_preset, preset_names
from tvae_core.progress import Preview, Started
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

Wrong = Callable[[torch.Tensor], Any]

# --- the pretended GPU itself ---------------------------------------------------------------------
REFUSED: dict[str, Wrong] = {
    "a tensor of the host": lambda x: x + torch.zeros(3),
    "a layer of the host": lambda x: torch.nn.Linear(3, 2)(x),
    "numpy": lambda x: x.numpy(),
    "numpy unasked": lambda x: np.asarray(x),
    "a generator of the host": lambda x: torch.rand(3, device="cuda", generator=torch.Generator()),
    "an index into the host": lambda x: torch.zeros(3)[x.argsort()],
    "a list of both": lambda x: torch.cat([x, torch.zeros(3)]),
    "a choice of both": lambda x: torch.where(x > 0, x, torch.zeros(3)),
    "its random state": lambda x: torch.random.fork_rng().__enter__(),
}
WAITS: dict[str, Wrong] = {
    "a number": lambda x: float(x.sum()),
    "a truth": lambda x: bool((x > 0).any()),
    "a copy": lambda x: x.cpu(),
    "a list": lambda x: x.tolist(),
    "a mask": lambda x: x[x > 0],
    "places": lambda x: x.nonzero(),
    "an index of the host": lambda x: x[[0, 1]],
    "values of the host": lambda x: x.new_tensor([1.0]),
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
def test_what_a_gpu_refuses_is_refused(wrong: Wrong) -> None:
    with PretendedGpu():
        x = torch.ones(3, device="cuda")
        with pytest.raises((RuntimeError, TypeError, AssertionError)):
            wrong(x)


@pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS)
def test_a_wait_for_the_device_is_counted(waits: Wrong) -> None:
    with PretendedGpu() as gpu:
        x = torch.ones(3, device="cuda")
        gpu.waits.clear()
        waits(x)
        assert gpu.waits.total() >= 1


def test_the_pretended_gpu_computes_and_differentiates_as_the_host() -> None:
    weight, x = torch.randn(4, 3), torch.randn(5, 4)
    with PretendedGpu():
        there = weight.to("cuda").requires_grad_()
        (x.to("cuda") @ there).square().sum().backward()
        assert there.grad is not None
        found = there.grad.cpu()
    expected = weight.clone().requires_grad_()
    (x @ expected).square().sum().backward()
    torch.testing.assert_close(found, expected.grad)


# --- the paths of the engine ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 40)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, images: Path) -> RunFolder:
    """Return a run that was trained and embedded on the GPU."""
    run = tiny_run(tmp_path_factory.mktemp("runs") / "on gpu", images, "train.device=cuda")
    with PretendedGpu():
        list(train(run))
        list(embed(run))
    return run


def small(config: RunConfig, images: Path) -> RunConfig:
    """Return a config as it is, at the size of a test."""
    return config.changed([
        f"data.path={images}", "data.downsample_px=0", "model.kernel_px=7",
        "model.encoder_kernels=4",
        "model.generator_hidden=16", "model.fourier_features=16", "model.mlp_hidden=8",
        "train.epochs=1", "train.batch_size=16", "train.preview_images=16", "train.threads=1",
        "train.device=cuda", "embed.atlas_nodes=2",
    ])  # fmt: skip


def trains_and_embeds(config: RunConfig, folder: Path) -> None:
    run = RunFolder(folder)
    run.create(config)
    records = list(train(run))
    started = next(r for r in records if isinstance(r, Started))
    assert started.device == "cuda"
    pictures = next(r for r in records if isinstance(r, Preview))
    assert Path(pictures.decoded_grid).exists()
    assert Path(pictures.pairs).exists()
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert np.isfinite(store.z_mean).all()
        assert np.isfinite(store.angle_rad).all()


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_trains_and_embeds(
    preset: str, tmp_path: Path, images: Path, gpu: PretendedGpu
) -> None:
    trains_and_embeds(small(load_preset(preset), images), tmp_path / "run")


OTHERS = {
    "gumbel-softmax, learned deviation": ["model.likelihood=gaussian-learned", "train.samples=2"],
    "muon, unit variance": ["train.optimizer=muon", "train.start=unit-variance"],
    "a mask, a clip, no average": ["data.mask=true", "train.clip_gradient=1"],
    "normal prior": ["model.rotation_prior=normal", "model.subpixel_shift=false"],
    "a linear start": ["model.likelihood=gaussian", "train.content_start=linear"],
    "a linear start, learned deviation, mask": [
        "model.likelihood=gaussian-learned", "train.content_start=linear", "data.mask=true",
        "train.sampler=cells", "train.samples=2",
    ],
    "fewer pixels, warm-up": ["train.pixel_share=0.25", "train.content_warmup=0.5"],
}  # fmt: skip


@pytest.mark.parametrize("settings", OTHERS.values(), ids=OTHERS)
def test_other_settings_train_and_embed(
    settings: list[str], tmp_path: Path, images: Path, gpu: PretendedGpu
) -> None:
    trains_and_embeds(small(RunConfig().changed(settings), images), tmp_path / "run")


@pytest.mark.parametrize("start", ["none", "linear"])
def test_a_likelihood_through_the_ctf_trains_and_embeds(
    start: str, tmp_path: Path, gpu: PretendedGpu
) -> None:
    write_set(plan_set("hinge", count=24, side=16, snr=1.0, ctf=True), tmp_path / "set")
    settings = ["model.ctf=likelihood", "model.likelihood=gaussian", "data.normalise=ring"]
    settings.append(f"train.content_start={start}")
    config = small(RunConfig().changed(settings), tmp_path / "set" / "particles.star")
    trains_and_embeds(config, tmp_path / "run")


@pytest.mark.parametrize("method", ["direct", "fourier"])
def test_either_lifting_trains(
    method: str, tmp_path: Path, images: Path, gpu: PretendedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvae_core.engine.lifting.group_conv.fastest", lambda *_: method)
    trains_and_embeds(small(load_preset("fast-cpu"), images), tmp_path / "run")


def test_the_faster_lifting_is_measured_on_the_gpu(gpu: PretendedGpu) -> None:
    seconds = measure((16, 1, 5, 5), 2, FourierPlan(9, 5, 0), GPU, trained=True)
    assert all(s > 0 for s in seconds.values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sampler", ["cells", "gumbel-softmax"])
def test_a_step_waits_only_for_a_batch_that_is_not_pinned_whatever_its_size(
    images: Path, gpu: PretendedGpu, method: Method, sampler: str
) -> None:
    config = small(load_preset("fast-cpu"), images).changed([f"train.sampler={sampler}"])
    model = build_model(config.model, SIDE, 1).to(GPU)
    model.encoder.lifting.method = method
    state = TrainerState(model, config, 40)
    done = []
    for size in (4, 16):
        batch = Batch(torch.rand(size, 1, SIDE, SIDE))
        for _ in range(2):  # the first makes what is kept
            gpu.waits.clear()
            gpu.operations.clear()
            train_step(
                model, state.optimizer, batch, config, state.schedule(), 0, size, lambda: None
            )
        assert gpu.waits.total() <= 1, gpu.waits  # the batch goes there, nothing comes back
        done.append(gpu.operations.total())
    assert done[0] == done[1]  # nothing is done image by image


def test_a_taught_step_waits_for_the_gpu_no_more(images: Path, gpu: PretendedGpu) -> None:
    config = small(RunConfig().changed(["model.likelihood=gaussian"]), images)
    model = build_model(config.model, SIDE, 1).to(GPU)
    state = TrainerState(model, config, 40)
    rows = SIDE // 2 + 1
    linear = LinearModel(
        torch.rand(2, SIDE, SIDE), torch.ones(SIDE, rows), torch.tensor([1.0, 0.5])
    )
    lessons = Lessons(linear.to(GPU), 0.5)
    for _ in range(2):  # the first makes what is kept
        gpu.waits.clear()
        batch = Batch(torch.rand(8, 1, SIDE, SIDE))
        train_step(
            model, state.optimizer, batch, config, state.schedule(), 0, 8, lambda: None, lessons
        )
    assert gpu.waits.total() <= 1, gpu.waits


def machine(device: str) -> AbstractContextManager[object]:
    """Return a block in which the device is there."""
    return PretendedGpu() if device == "cuda" else nullcontext()


def stopped(run: RunFolder, after: int) -> None:
    asked = count()
    with pytest.raises(Cancelled):
        list(train(run, cancelled=lambda: next(asked) >= 2 * after))


@pytest.mark.parametrize("first", ["cuda", "cpu"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_run_moves_between_devices(
    tmp_path: Path, images: Path, first: str, optimizer: str
) -> None:
    run = tiny_run(
        tmp_path / "run", images, f"train.device={first}", f"train.optimizer={optimizer}"
    )
    second = "cpu" if first == "cuda" else "cuda"
    with machine(first):
        stopped(run, 7)
    with machine(second):
        assert main(["train", str(run.path), "--resume", "--device", second]) == 0
    assert run.config().train.device == second
    with EmbeddingStore(run.store) as store:
        assert np.isfinite(store.z_mean).all()


def test_what_was_trained_on_the_gpu_is_embedded_alike_on_the_host(
    tmp_path: Path, trained: RunFolder
) -> None:
    there = EmbeddingStore(trained.store)
    config = trained.config().changed(["train.device=cpu"])
    list(embed(trained, tmp_path / "here.h5", config))
    with there, EmbeddingStore(tmp_path / "here.h5") as here:
        # bf16 has 8 bits; a run this short leaves cells that are nearly equally likely, so which of
        # them comes first may differ, but how likely it is may not
        for name, tolerance in {"posterior/entropy": 0.02, "posterior/peak": 0.05}.items():
            np.testing.assert_allclose(here.column(name), there.column(name), rtol=tolerance)
        same = np.abs(here.shift_px - there.shift_px).max(1) < 0.5
        assert same.mean() > 0.4
        np.testing.assert_allclose(here.z_mean[same], there.z_mean[same], atol=0.05)


def test_a_run_that_names_a_gpu_says_so_where_there_is_none(trained: RunFolder) -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        list(embed(trained))


def test_decoding_on_the_gpu_gives_the_pictures_of_the_host(trained: RunFolder) -> None:
    z = np.array([[0.5, -1.0], [2.0, 0.3]])
    poses: list[dict[str, Any]] = [{}, {"angle_rad": 0.4, "shift_px": (1.0, -2.0), "side": 20}]
    with EmbeddingStore(trained.store) as store:
        here = [Decoder.from_store(store).decode(z, **pose) for pose in poses]
        with PretendedGpu():
            decoder = Decoder.from_store(store, "cuda")
            assert decoder.model.points_px.device.type == "cuda"
            there = [decoder.decode(z, **pose) for pose in poses]
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_run_is_evaluated(trained: RunFolder, gpu: PretendedGpu) -> None:
    effort = Effort(samples=2, turns=2, turned_images=2, device="cuda", threads=1)
    rows = {row.key for row in evaluate(trained.path, effort=effort).evaluation.rows}
    assert "elbo/elbo" in rows


def test_a_run_is_tested_for_invariance(trained: RunFolder, gpu: PretendedGpu) -> None:
    with EmbeddingStore(trained.store) as store:
        report = selftest(store, SelfTestSize(images=4, turns=2, shifts=2), device="cuda")
    assert gpu.waits.total() > 0  # it was there
    assert 0 <= report.fit_share <= 1


@pytest.mark.parametrize("explain", [True, False])
def test_objects_are_found_in_fields(
    tmp_path: Path, trained: RunFolder, gpu: PretendedGpu, explain: bool
) -> None:
    field = tmp_path / "field.npy"
    np.save(field, np.random.default_rng(0).random((1, 50, 40)).astype(np.float32))
    with EmbeddingStore(trained.store) as store:
        settings = DetectSettings(explain=explain, images=6, device="cuda")
        detector = Detector(store, settings)
        assert detector.model.points_px.device.type == "cuda"
        (found,) = detect(detector, field)
    assert np.isfinite(found.picks.confidence).all()


def test_averages_are_realigned_with_pictures_of_the_gpu(
    trained: RunFolder, gpu: PretendedGpu
) -> None:
    with EmbeddingStore(trained.store) as store:
        decoder = Decoder.from_store(store, "cuda")
        with open_averaging(store) as pictures:
            (average,) = average_classes(
                store, [Chosen("all", np.arange(40))], pictures, decoder.decode
            )
    assert average.count == 40


WORK: dict[str, Callable[[EmbeddingStore], Any]] = {
    "self-test": lambda store: selftest(store, device="cuda"),
    "detection": lambda store: Detector(store, DetectSettings(device="cuda")),
    "decoding": lambda store: Decoder.from_store(store, "cuda"),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_device_that_is_named_and_not_there_is_refused(trained: RunFolder, work: Any) -> None:
    with EmbeddingStore(trained.store) as store, pytest.raises(DeviceError, match="no CUDA GPU"):
        work(store)


def test_without_a_name_the_device_of_the_run_is_used(
    tmp_path: Path, images: Path, trained: RunFolder
) -> None:
    # trained on a GPU that is not here: on the host; trained on the host: there, whatever is here
    size = SelfTestSize(images=4, turns=2, shifts=2)
    with EmbeddingStore(trained.store) as store:
        assert selftest(store, size).images == 4
    run = tiny_run(tmp_path / "run", images, "train.device=cpu", "train.epochs=1")
    list(train(run))
    list(embed(run))
    with EmbeddingStore(run.store) as store, PretendedGpu() as gpu:
        selftest(store, size)
        assert gpu.waits.total() == 0


def test_the_checkpoint_of_one_kind_of_device_does_not_choose_the_lifting_of_another(
    tmp_path: Path, images: Path
) -> None:
    run = tiny_run(tmp_path / "run", images, "train.device=cuda")
    with PretendedGpu():
        stopped(run, 3)
    saved = load_newest(run.checkpoints)
    assert saved is not None
    assert saved.values["lifting"] in METHODS
    config = run.config()
    model = build_model(config.model, SIDE, 1)
    TrainerState(model, config, 36).restore(saved)
    assert model.encoder.lifting.method is None
