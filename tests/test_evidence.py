"""The plan of the evidence: every row is a config that holds, and a row not run says so."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

from tvae_core.analysis.evaluation import Row
from tvae_core.config import RunConfig
from tvae_core.evaluation.file import Evaluation
from tvae_core.work.train import TrainRequest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("evidence", "evidence_pages", "evidence_plan", "defaults_plan"):
        sys.modules.pop(name, None)
    return importlib.import_module("evidence")


def config_of(evidence: ModuleType, page: object, system: object, folder: Path) -> RunConfig:
    """Return the config that `tvae train` would write for a job."""
    job = evidence.Job(page, system, 1, folder / "run", folder / "images.npy")
    return TrainRequest.parse(["tvae", *job.train_words(1)]).settings_on()


@pytest.mark.parametrize("tier", ["cpu", "gpu"])
def test_every_row_is_a_config_of_the_same_size(
    evidence: ModuleType, tmp_path: Path, tier: str
) -> None:
    for page in evidence.TIERS[tier]:
        configs = {s.name: config_of(evidence, page, s, tmp_path) for s in page.systems}
        widths = {
            (c.model.encoder_kernels, c.model.generator_hidden, c.model.kernel_px, c.train.epochs)
            for c in configs.values()
        }
        assert len(widths) == 1, page.name
        assert all(c.data.test_share > 0 for c in configs.values())
        assert configs["vae"].model.system == "vae"
        assert configs["target-p8"].model.rotation_cells == 8
        assert page.paper.keys() <= {row.name for each in evidence.GPU for row in each.systems} | (
            configs.keys()
        )
    names = [page.name for page in evidence.TIERS[tier]]
    assert len(set(names)) == len(names)


def test_the_paper_tier_has_the_papers_split_and_shorter_passes_for_sixteen_turns(
    evidence: ModuleType, tmp_path: Path
) -> None:
    for page in evidence.TIERS["paper"]:
        for system in page.systems:
            config = config_of(evidence, page, system, tmp_path)
            assert round(config.data.test_share * page.images) == 10_000
            assert config.train.optimizer == "muon"
            assert config.train.epochs == (2 if config.model.rotations == 16 else 4)


def test_every_default_tried_is_a_config_of_its_own(evidence: ModuleType, tmp_path: Path) -> None:
    for page in evidence.TIERS["defaults"]:
        configs = {s.name: config_of(evidence, page, s, tmp_path) for s in page.systems}
        started = {s.name for s in page.systems if s.start}
        told = [c.model_dump_json() for name, c in configs.items() if name not in started]
        assert len(set(told)) == len(told), page.name
        assert len({c.train.epochs for c in configs.values()}) == 1


def test_only_names_sets_and_rows(evidence: ModuleType) -> None:
    page = evidence.TIERS["cpu"][0]
    ours, other = page.systems[1], page.systems[2]
    asked = evidence._asked
    assert asked(page, None, [])
    assert asked(page, ours, [])
    assert asked(page, None, [page.name])
    assert asked(page, ours, [page.name])
    only = [f"{page.name}/{ours.name}", "hinge"]
    assert asked(page, None, only)
    assert asked(page, ours, only)
    assert not asked(page, other, only)
    assert not asked(page, None, ["hinge"])


def test_the_plateau_is_left_at_the_first_epoch_above_it(
    evidence: ModuleType, tmp_path: Path
) -> None:
    page = evidence.TIERS["defaults"][0]
    for name, elbos in (("a", (-140, -124, -126)), ("b", (-140, -126, -125.5))):
        folder = tmp_path / name
        folder.mkdir()
        records = [{"kind": "started"}]
        records += [{"kind": "epoch", "step": 10 * i, "elbo": e} for i, e in enumerate(elbos)]
        (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    pages = sys.modules["evidence_pages"]
    assert pages._left_plateau(page, [tmp_path / "a", tmp_path / "b"]) == "10, never"


def test_a_page_tells_mean_spread_and_what_was_not_run(
    evidence: ModuleType, tmp_path: Path
) -> None:
    page = evidence.TIERS["cpu"][0]
    for seed, accuracy in ((0, 0.5), (2, 0.7)):
        folder = tmp_path / page.name / f"target-p8-{seed}"
        folder.mkdir(parents=True)
        about = {"run": "r", "system": "target-vae", "parameters": 1234, "split": "test"}
        about |= {"reference_parameters": 0, "images": 9, "of": 10, "truth": ""}
        Evaluation(about, [Row("clustering/ward/z", "g", "n", accuracy)]).save(folder)
        (folder / "minutes.json").write_text("2.5")
    (tmp_path / page.name / "vae-1").mkdir()
    (tmp_path / page.name / "vae-1" / "failed.txt").write_text("tvae: error")
    arguments = Namespace(device="", tier="cpu", out=tmp_path, results=tmp_path, seeds=[0, 1, 2])
    run = tmp_path / page.name / "target-p8-0"
    (run / "evaluation").mkdir()
    (run / "evaluation" / "plane.png").write_bytes(b"a picture")
    lines = sys.modules["evidence_pages"].page_text(page, arguments).splitlines()
    assert (tmp_path / f"{page.name}-cpu-plane.png").read_bytes() == b"a picture"
    assert any(line.endswith(f"({page.name}-cpu-plane.png)") for line in lines)
    row = next(line for line in lines if line.startswith("| TARGET-VAE P8 |"))
    assert "| 0, 2 | 1,234 | 2.5 ± 0.0 |" in row
    assert "0.600 ± 0.141" in row
    assert next(line for line in lines if line.startswith("| VAE, z 4 |")).count("failed") > 5
    assert next(line for line in lines if line.startswith("| spatial-VAE |")).count("not run") > 5
    for table in "\n".join(lines).split("\n## ")[1:3]:
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1, table
