"""Gate 6, thinned: a file changed at random is read, or refused in one line; ours never differ."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.trust import mutants
from tests.trust.faults import Injector
from tests.trust.gates import Stage
from tests.trust.samples import write_samples


@pytest.fixture(scope="module")
def samples(staged: dict[str, Stage], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    done = staged["decode"].before
    files = write_samples(done, tmp_path_factory.mktemp("samples"))
    return {file.name: file for file in files}


def test_every_format(injector: Injector, samples: dict[str, Path], tmp_path: Path) -> None:
    broken = {}
    for name, file in samples.items():
        seeds = range(40) if name.startswith("embeddings.") else range(8)
        for seed, wrong in mutants.tried(injector, file, seeds, tmp_path):
            if wrong:
                broken[name, seed] = wrong
    assert not broken


@pytest.mark.parametrize("name", ["embeddings.h5", "table.cs", "picture.webp"])
def test_the_samples_themselves_are_read(
    injector: Injector, samples: dict[str, Path], name: str
) -> None:
    assert injector.trial(["info", str(samples[name])], samples[name].parent).exit == 0


@pytest.mark.parametrize("told", ["", "tvae: error: one\ntvae: error: two\n"])
def test_a_reader_that_tells_badly_is_found(
    samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    def main(words: list[str]) -> int:
        sys.stderr.write(told)
        return 2

    monkeypatch.setattr("tvae_core.cli.main.main", main)
    assert mutants.read(samples["out.npy"]).startswith("exit 2, told")


def test_a_reader_that_raises_is_found(
    samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvae_core.cli.main.main", dict[str, int]().__getitem__)
    assert mutants.read(samples["out.npy"]).startswith("TypeError")
