"""A run that was stopped, or is still trained, can be embedded; every run has a verdict."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.analysis.verdict import Verdict
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.weights import weights_of_run
from tvae_core.errors import Cancelled, CheckpointError
from tvae_core.progress import Finished, Judged, Remark
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.listing import summarise
from tvae_core.runs.status import read_record
from tvae_core.store import EmbeddingStore


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def stopped(run: RunFolder, after_checks: int) -> RunFolder:
    asked = count()
    with pytest.raises(Cancelled):
        list(train(run, cancelled=lambda: next(asked) >= after_checks))
    return run


def stopped_after_an_epoch(run: RunFolder) -> RunFolder:
    with pytest.raises(Cancelled):
        list(train(run, cancelled=run.metrics.exists))
    return run


def test_a_run_ends_with_a_verdict_that_its_folder_and_its_store_keep(
    tmp_path: Path, images: Path
) -> None:
    run = tiny_run(tmp_path / "run", images)
    records = list(train(run))
    judged = [record for record in records if isinstance(record, Judged)]
    assert judged[-1].final
    assert not judged[0].final  # while it runs, too
    assert isinstance(records[-1], Finished)
    assert read_record(judged[-1].to_json()) == judged[-1]
    kept = Verdict.from_json(run.verdict_text())
    assert kept is not None
    assert kept.words == judged[-1].words
    assert summarise(run.path).verdict == kept
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert Verdict.from_json(store.header.verdict) == kept


def test_a_stopped_run_is_embedded_with_its_best_model_so_far(tmp_path: Path, images: Path) -> None:
    run = stopped_after_an_epoch(tiny_run(tmp_path / "run", images))
    assert not run.model.exists()
    records = list(embed(run))
    assert any(isinstance(r, Remark) and "1 epoch so far" in r.what for r in records)
    with EmbeddingStore(run.store) as store:
        assert len(store) > 0
        before = store.weights()
    list(train(run, resume=True))
    assert weights_of_run(run)[1] == ()
    list(embed(run))
    with EmbeddingStore(run.store) as store:
        assert store.weights() != before


def test_a_run_stopped_in_its_first_epoch_is_embedded_from_its_checkpoint(
    tmp_path: Path, images: Path
) -> None:
    run = stopped(tiny_run(tmp_path / "run", images), 2)
    assert not list(run.checkpoints.glob("best*"))
    assert "before the first epoch ended" in weights_of_run(run)[1][0].what
    list(embed(run))
    assert run.store.exists()


def test_a_run_without_any_weights_says_what_to_do(tmp_path: Path, images: Path) -> None:
    run = tiny_run(tmp_path / "run", images)
    with pytest.raises(CheckpointError, match="no model yet"):
        list(embed(run))
    stopped(run, 2)
    for file in run.checkpoints.glob("step-*.json"):
        values = json.loads(file.read_text())
        del values["side"], values["values_sha256"]  # as an earlier version wrote them
        file.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="earlier version"):
        weights_of_run(run)
