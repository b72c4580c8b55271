"""`tvae average`: sets and clusters of a store as averages in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.core.engine.runs import TINY
from tests.core.export.test_class_averages import make_store
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.particles import read_table
from tvae_core.selection import NamedSet
from tvae_core.sidecar import Labelling, Sidecar, save_sidecar
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic import plan_set, write_set

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("average"), scale=2.0, count=60, snr=1.0)
    with EmbeddingStore(path) as opened:
        sidecar = Sidecar.of(opened)
        labels = np.repeat([0, 1, -1], [30, 20, 10]).astype(np.int32)
        sidecar.labellings["clusters"] = Labelling(labels, ("open", "shut"))
        mask = np.arange(60) < 12
        sidecar.sets.append(NamedSet("first dozen", "#ff0000", mask, {"kind": "none"}))
        save_sidecar(sidecar, opened)
    return path


def names_and_counts(table: Path) -> list[tuple[str, int]]:
    found = read_table(table)
    counts = found.numbers("rlnGroupNrParticles").astype(int).tolist()
    return list(zip(found.column("tvaeClassName").tolist(), counts, strict=True))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--labels", "clusters", "--flip"], [("open", 30), ("shut", 20)]),
        (["--set", "first dozen"], [("first dozen", 12)]),
        (["--labels", "truth", "--wiener"], [("one", 30), ("two", 30)]),
        (["--model-size", "--wiener", "0.05"], [("all", 60)]),
    ],
)
def test_classes_are_averaged_and_counted(
    store: Path, tmp_path: Path, words: list[str], expected: list[tuple[str, int]], capsys: Capture
) -> None:
    target = tmp_path / "out.mrcs"
    assert main(["average", str(store), str(target), *words]) == 0
    said = capsys.readouterr().out
    assert f"{len(expected)} averages -> {target}" in said
    assert " A at a corrected FRC of 0.143" in said
    assert names_and_counts(tmp_path / "out.star") == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "none such"], "sets: first dozen"),
        (["--labels", "ward"], "there are: clusters, truth"),
        (["--wiener", "0"], "--wiener: input should be greater than 0"),
        (["--images-at", "nowhere.star"], "nowhere.star"),
    ],
)
def test_what_cannot_be_averaged_is_one_line(
    store: Path, tmp_path: Path, words: list[str], message: str, capsys: Capture
) -> None:
    assert main(["average", str(store), str(tmp_path / "out.mrcs"), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(store: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "out.star").write_text("mine")
    assert main(["average", str(store), str(tmp_path / "out.mrcs")]) == 2
    assert "already there" in capsys.readouterr().err
    assert (tmp_path / "out.star").read_text() == "mine"
    assert main(["average", str(store), str(tmp_path / "out.mrcs"), "--overwrite"]) == 0


def test_a_trained_run_is_realigned_by_its_own_decoder(tmp_path: Path, capsys: Capture) -> None:
    """The whole way: a flipped run is averaged flipped, at the size before downsampling."""
    write_set(plan_set("hinge", count=60, side=24, snr=1.0), tmp_path)
    config = RunConfig.model_validate(TINY).changed(
        ["data.phase_flip=true", "data.downsample_px=12", "data.normalise=ring",
         "model.likelihood=gaussian", "train.epochs=1"]
    )  # fmt: skip
    config.save(tmp_path / "config.json")
    run = tmp_path / "run"
    data = str(tmp_path / "particles.star")
    words = ["train", str(run), "--data", data, "--config", str(tmp_path / "config.json")]
    assert main(words) == 0
    target = tmp_path / "out.mrcs"
    assert main(["average", str(run), str(target), "--realign"]) == 0
    flipped = read_mean(target)
    assert flipped.shape == (24, 24)
    assert main(["average", str(run), str(target), "--realign", "--no-flip", "--overwrite"]) == 0
    assert not np.allclose(read_mean(target), flipped, atol=1e-3)
    capsys.readouterr()


def read_mean(path: Path) -> np.ndarray:
    from tvae_core.images.opening import open_stack

    with open_stack(path) as stack:
        return stack.read([0])[0]
