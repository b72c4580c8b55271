"""Embedding: one store, the same after a stop, and without escnn."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.core.engine.runs import SIDE, tiny_run, write_images
from tests.core.images.makers import mrc_bytes
from tests.core.particles.makers import write_mrc
from tvae_core.engine.model.checkpoint import model_bytes, model_from_bytes
from tvae_core.engine.training.train import train
from tvae_core.engine.using import embed as embedding
from tvae_core.engine.using.decode import Decoder
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.inference import infer
from tvae_core.errors import Cancelled, CheckpointError, ImageFileError, StoreError
from tvae_core.images.identity import fingerprints
from tvae_core.particles import OriginalFrame, read_table, record_of
from tvae_core.progress import Embedded, Finished, Remark
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore, validate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("embed")
    run = tiny_run(folder / "run", write_images(folder), "train.epochs=1")
    list(train(run))
    list(embed(run))
    return run


def test_the_store_holds_what_the_model_infers(run: RunFolder) -> None:
    assert validate(run.store) == []
    with EmbeddingStore(run.path) as store:
        model = model_from_bytes(store.weights())
        raw = np.load(store.header.config.data.path)
        found = infer(model, torch.from_numpy(raw[:, None].clip(0, 1)))
        assert store.images == len(raw) == 60
        # the same images in other batch sizes: float32 sums in another order
        np.testing.assert_allclose(store.z_mean, found.z_mean, atol=1e-3)
        np.testing.assert_allclose(store.shift_px, found.shift_px, atol=1e-3)
        np.testing.assert_allclose(store.column("quality/elbo"), found.elbo, rtol=1e-3)
        np.testing.assert_allclose(store.column("posterior/rotation").sum(1), 1, atol=1e-4)
        assert store.thumbnails("upright", np.arange(3)).shape == (3, SIDE, SIDE)
        assert store.source_files
        assert store.column("source/index").tolist() == list(range(60))


def test_upright_thumbnails_are_the_raw_turned_back(run: RunFolder) -> None:
    with EmbeddingStore(run.path) as store:
        upright = store.thumbnails("upright", np.arange(60)).astype(float)
        raw = store.thumbnails("raw", np.arange(60)).astype(float)
        assert store.angle_rad.std() > 0.1
    assert np.abs(upright - raw).mean() > 1
    np.testing.assert_allclose(upright.sum((1, 2)), raw.sum((1, 2)), rtol=0.5)


def test_the_atlas_is_what_the_decoder_draws(run: RunFolder) -> None:
    with EmbeddingStore(run.path) as store:
        atlas = store.atlas
        assert atlas is not None
        assert atlas.images.shape == (4, 4, SIDE, SIDE)
        drawn = Decoder.from_store(store).decode(atlas.z[2, 1])[0]
        shown = atlas.low + atlas.images[2, 1] / 255 * (atlas.high - atlas.low)
        step = (atlas.high - atlas.low) / 255
        inside = (drawn > atlas.low) & (drawn < atlas.high)
        assert np.abs(drawn - shown)[inside].max() <= 0.51 * step
        assert atlas.z[2, 1, 0] == atlas.x[1]
        assert atlas.z[2, 1, 1] == atlas.y[2]


def test_stopped_embedding_goes_on_where_it_stopped(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BLOCK", 20)
    target, asked = tmp_path / "again.h5", count()
    with pytest.raises(Cancelled, match="kept"):
        list(embed(run, target, cancelled=lambda: next(asked) >= 2))
    assert not target.exists()
    records = list(embed(run, target))
    assert isinstance(records[-1], Finished)
    first = next(r for r in records if isinstance(r, Embedded))
    assert first.images_per_second == 0  # the first block was there already
    with EmbeddingStore(target) as again, EmbeddingStore(run.path) as whole:
        np.testing.assert_allclose(again.z_mean, whole.z_mean, atol=1e-3)
    assert [p.name for p in tmp_path.glob("[!.]*")] == ["again.h5"]


def test_blocks_of_images_that_changed_meanwhile_are_embedded_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BLOCK", 20)
    images = np.load(run.config().data.path)
    others = tmp_path / "others.npy"
    np.save(others, images)
    config = run.config().changed([f"data.path={others}"])
    target, asked = tmp_path / "e.h5", count()
    with pytest.raises(Cancelled):
        list(embed(run, target, config, lambda: next(asked) >= 2))
    images[3] = images[40]
    np.save(others, images)
    records = list(embed(run, target, config))
    first = next(r for r in records if isinstance(r, Embedded))
    assert first.images_per_second > 0
    with EmbeddingStore(target) as store:
        np.testing.assert_allclose(store.z_mean[3], store.z_mean[40], atol=1e-3)
        prints = store.images_known_by.prints
    assert prints is not None
    assert prints.tolist() == fingerprints(images).tolist()


def test_a_model_is_used_without_escnn(run: RunFolder, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['escnn'] = None; sys.modules['lie_learn'] = None\n"
        "from tvae_core.cli.main import main\n"
        f"sys.exit(main(['embed', {str(run.path)!r}, '-o', {str(tmp_path / 'e.h5')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with EmbeddingStore(tmp_path / "e.h5") as again, EmbeddingStore(run.path) as whole:
        np.testing.assert_allclose(again.z_mean, whole.z_mean, atol=1e-4)


def test_a_run_goes_on_without_escnn(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run", write_images(tmp_path))
    asked = count()
    with pytest.raises(Cancelled):
        list(train(run, cancelled=lambda: next(asked) >= 4))
    code = (
        "import sys; sys.modules['escnn'] = None; sys.modules['lie_learn'] = None\n"
        "from tvae_core.cli.main import main\n"
        f"sys.exit(main(['train', {str(run.path)!r}, '--resume']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert run.store.exists()


def test_colour_images_in_class_folders_keep_their_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    run = tiny_run(tmp_path / "run", tmp_path / "data", "train.epochs=1")
    list(train(run))
    list(embed(run))
    assert validate(run.path) == []
    with EmbeddingStore(run.path) as store:
        assert store.label_names == ["left", "right"]
        assert np.bincount(store.labels).tolist() == [12, 12]
        assert store.thumbnails("raw", np.arange(2)).shape == (2, SIDE, SIDE, 3)
        assert Decoder.from_store(store).decode(np.zeros(2), side=24).shape == (1, 24, 24, 3)


@pytest.mark.parametrize("z_dim", [1, 5])
def test_any_number_of_content_dimensions(tmp_path: Path, z_dim: int) -> None:
    settings = ("train.epochs=1", f"model.z_dim={z_dim}")
    run = tiny_run(tmp_path / "run", write_images(tmp_path, 30), *settings)
    list(train(run))
    list(embed(run))
    assert validate(run.path) == []
    with EmbeddingStore(run.path) as store:
        assert store.atlas is not None
        assert store.atlas.z.shape[-1] == z_dim
        assert store.atlas.plane == ("z" if z_dim == 1 else "pca")


def test_images_of_another_size_are_refused(run: RunFolder, tmp_path: Path) -> None:
    np.save(tmp_path / "larger.npy", np.zeros((3, 20, 20), np.float32))
    config = run.config().changed([f"data.path={tmp_path / 'larger.npy'}"])
    with pytest.raises(CheckpointError, match="12 px"):
        list(embed(run, tmp_path / "e.h5", config))


def test_images_of_other_channels_are_refused_without_talk_of_sizes(
    run: RunFolder, tmp_path: Path
) -> None:
    np.save(tmp_path / "colour.npy", np.zeros((5, SIDE, SIDE, 3), np.float32))
    config = run.config().changed([f"data.path={tmp_path / 'colour.npy'}"])
    with pytest.raises(ImageFileError, match="3 channels, but the model has 1") as caught:
        list(embed(run, tmp_path / "e.h5", config))
    assert "px" not in str(caught.value).partition("colour.npy")[2]


def test_images_of_another_pixel_size_are_told(tmp_path: Path) -> None:
    images = np.load(write_images(tmp_path))
    for name, pixel in (("own", 2.0), ("same", 2.0), ("other", 4.0), ("silent", 0.0)):
        write_mrc(tmp_path / f"{name}.mrcs", images, pixel)
    run = tiny_run(tmp_path / "run", tmp_path / "own.mrcs", "train.epochs=1")
    list(train(run))
    list(embed(run))
    said = {}
    for name in ("same", "other", "silent"):
        config = run.config().changed([f"data.path={tmp_path / name}.mrcs"])
        records = list(embed(run, tmp_path / f"{name}.h5", config))
        said[name] = [r.what for r in records if isinstance(r, Remark)]
    assert said["same"] == said["silent"] == []
    assert "4 angstrom per pixel" in said["other"][0]
    assert "trained at 2" in said["other"][0]


def test_a_damaged_model_is_one_clear_line(run: RunFolder, tmp_path: Path) -> None:
    model = model_from_bytes(run.model.read_bytes())
    sound = model_bytes(model)
    for wrong in (b"", sound[:100], b"x" * 1000, sound[:-5]):
        with pytest.raises(CheckpointError, match="not a model"):
            model_from_bytes(wrong)
    with EmbeddingStore(run.path) as store:
        content = bytearray(run.store.read_bytes())
        place = content.find(store.weights()[-64:])
    content[place] ^= 1
    (tmp_path / "e.h5").write_bytes(content)
    with EmbeddingStore(tmp_path / "e.h5") as store, pytest.raises(StoreError, match="weights"):
        Decoder.from_store(store)


def test_a_store_of_a_particle_table_remembers_its_rows(tmp_path: Path) -> None:
    raw = np.load(write_images(tmp_path)).astype(np.float32)
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(raw[:40]))
    (tmp_path / "b.mrcs").write_bytes(mrc_bytes(raw[40:]))
    names = [f"{i + 1}@{name}.mrcs" for name, n in (("b", 20), ("a", 40)) for i in range(n)]
    head = "data_particles\nloop_\n_rlnImageName\n_rlnMicrographName\n_rlnAnglePsi\n"
    rows = [f"{name} m{i // 15}.mrc {3 * i - 90}" for i, name in enumerate(names)]
    table = tmp_path / "particles.star"
    table.write_text(head + "\n".join(rows) + "\n")
    run = tiny_run(tmp_path / "run", table, "train.epochs=1", "data.crop_px=11")
    list(train(run))
    list(embed(run))
    assert validate(run.store) == []
    with EmbeddingStore(run.path) as store:
        assert store.header.table == record_of(read_table(table))
        assert store.header.original == OriginalFrame(SIDE, SIDE, 1.0, (-0.5, 0.5))
        assert store.column("source/row").tolist() == list(range(60))
        psi = store.column("source/columns/angle_psi_deg")
        assert psi.tolist() == [3 * i - 90 for i in range(60)]
        codes = store.column("source/columns/micrograph")
        names = store.categories("source/columns/micrograph")
        assert [names[code] for code in codes] == [f"m{i // 15}.mrc" for i in range(60)]
        assert "source/uid" not in store.names
