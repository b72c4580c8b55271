"""Gates 7, 8 and 9: hostile files are refused quickly, nothing executes, nothing leads out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.trust.faults import Injector
from tests.trust.gadgets import GADGETS, works
from tests.trust.gates import Stage
from tests.trust.hostile import SIZES, WAYS_OUT, pickled_run, pickles

LIMIT_S = 10  # a second, told by the benchmark; more here, where other work may run beside


@pytest.mark.parametrize("name", SIZES)
def test_sizes_no_honest_file_has(injector: Injector, tmp_path: Path, name: str) -> None:
    SIZES[name](tmp_path / name)
    words = ["tests.trust.mutants:read_limited", str(tmp_path / name)]
    trial = injector.trial(words, tmp_path, limit=LIMIT_S)
    assert (trial.exit, trial.signal, trial.told.strip()) == (0, None, "refused")


@pytest.mark.parametrize("name", WAYS_OUT)
def test_hdf5_that_leads_to_other_files(injector: Injector, tmp_path: Path, name: str) -> None:
    WAYS_OUT[name](tmp_path / name)
    trial = injector.trial(["info", str(tmp_path / name)], tmp_path)
    assert (trial.exit, trial.one_line) == (2, True), trial.told
    assert ("another file" in trial.told) or name == "linked.h5", trial.told


@pytest.mark.parametrize("name", GADGETS)
def test_a_gadget_does_harm_where_pickles_are_read(tmp_path: Path, name: str) -> None:
    assert works(name, tmp_path)


def test_no_pickle_executes(injector: Injector, staged: dict[str, Stage], tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    for file in pickles(tmp_path, proof):
        trial = injector.trial(["info", str(file)], tmp_path)
        assert (trial.exit in (2, 4), trial.one_line) == (True, True), (file.name, trial.told)
    run = tmp_path / "run"
    pickled_run(run, proof)
    shutil.copy(staged["decode"].before / "run" / "config.json", run)
    for words in (
        ["info", "run"],
        ["embed", "run"],
        ["train", "run", "--resume"],
        ["decode", "run", "-o", "a.png"],
    ):
        trial = injector.trial(words, tmp_path)
        assert trial.exit != 0 or words[0] == "info", words
        assert "Traceback" not in trial.told, (words, trial.told)
    assert not proof.exists()
