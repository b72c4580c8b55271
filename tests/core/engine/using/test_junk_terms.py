"""The terms of the junk score see what they are named after."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from tests.core.engine.runs import tiny_run, write_images
from tvae_core.engine.data import Batch
from tvae_core.engine.model.checkpoint import model_from_bytes
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import embed
from tvae_core.engine.using.inference import Inferred, infer
from tvae_core.engine.using.junk_terms import (
    JunkTerms,
    _half_energy,
    _spectra,
    _typical,
    _within_band,
)
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore, validate

SIDE = 40


def blob(x: float, y: float, side: int = SIDE) -> torch.Tensor:
    """A bright spot at (x, y) from the centre, y up, (1, side, side)."""
    axis = torch.arange(side) - (side - 1) / 2
    apart = (axis[None, :] - x) ** 2 + (-axis[:, None] - y) ** 2
    return (-apart / 18).exp()[None]


class Frame:
    """A model as far as the terms of a second object ask for one: which pixels are compared."""

    def __init__(self, inside: torch.Tensor) -> None:
        self.inside = inside


def spots(inside: torch.Tensor | None = None) -> JunkTerms:
    """Terms of a set whose objects are spots in white noise of variance 0.01."""
    frame = Frame(torch.ones(SIDE, SIDE, dtype=torch.bool) if inside is None else inside)
    spot = blob(0, 0)[None]
    penalty = _half_energy(cast(TargetVae, frame), spot, None)
    return JunkTerms(_spectra(spot) / 0.01, penalty / 0.01, 6.0, 1.0, (0.0, 1.0))


CENTRE = torch.zeros(1, 2)


@pytest.mark.parametrize(
    ("place", "seen"),
    [((12.0, 3.0), 1.0), ((-9.0, 10.0), 1.0), ((0.0, -14.0), 1.0), ((20.0, 2.0), 0.5),
     ((-20.0, 20.0), 0.25)],
)  # fmt: skip
def test_a_second_object_counts_by_what_the_image_shows_of_it(
    place: tuple[float, float], seen: float
) -> None:
    """The ratio of likelihoods of an object that is there is half its energy by the noise's."""
    terms = spots()
    small = _within_band(blob(0, 0)[None])
    wanted = (seen * float(small.square().sum()) / 0.01) ** 0.5
    assert terms._second(blob(*place)[None], CENTRE).item() == pytest.approx(
        wanted, rel=0.2
    )  # a mean of zero
    beside = terms._second(blob(*place)[None], torch.tensor([place]))
    assert beside < 0.6 * wanted  # the object that was found itself does not count


def test_what_is_less_than_half_an_object_is_none() -> None:
    terms, whole = spots(), blob(12, 3)[None]
    assert terms._second(0 * whole, CENTRE) == 0
    assert terms._second(0.4 * whole, CENTRE) < 0.2 * terms._second(whole, CENTRE)
    assert terms._second(-whole, CENTRE) < 0.2 * terms._second(whole, CENTRE)


def test_where_nothing_is_compared_no_object_is_looked_for() -> None:
    left = torch.ones(SIDE, SIDE, dtype=torch.bool)
    left[:, SIDE // 2 :] = False
    terms = spots(left)
    assert torch.isinf(terms.penalty[0, 0, 8])  # 16 px to the right: the middle of what is left out
    assert torch.isfinite(terms.penalty[0, 0, -5])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("junk")
    run = tiny_run(folder / "run", write_images(folder), "train.epochs=1")
    list(train(run))
    list(embed(run))
    return run


def inferred(run: RunFolder) -> tuple[TargetVae, torch.Tensor, Inferred, JunkTerms]:
    with EmbeddingStore(run.path) as store:
        model = model_from_bytes(store.weights())
        images = torch.from_numpy(np.load(store.header.config.data.path)[:, None].clip(0, 1))
    return model, images, infer(model, images), JunkTerms.learned(model, Batch(images, None))


def test_a_store_has_the_score_and_it_depends_on_no_batch(run: RunFolder, tmp_path: Path) -> None:
    assert validate(run.store) == []
    with EmbeddingStore(run.path) as store:
        score = store.column("quality/junk")
    assert score.shape == (60,)
    assert np.isfinite(score).all()
    model, images, found, terms = inferred(run)
    whole = terms.of(model, images, found)
    parts = [terms.of(model, images[i : i + 7], infer(model, images[i : i + 7])) for i in (0, 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole[:14], rtol=2e-3, atol=2e-3)


def test_a_blank_part_is_patchy_and_a_step_uneven(run: RunFolder) -> None:
    model, images, found, terms = inferred(run)
    side = images.shape[-1]
    g = torch.Generator().manual_seed(0)
    assert found.reconstruction is not None
    noise = 0.1 * torch.randn(images.shape, generator=g)
    plain = terms.of(model, found.reconstruction + noise, found)
    half = torch.ones(side, side)
    half[:, side // 2 :] = 0
    blank = terms.of(model, found.reconstruction + noise * half, found)
    step = terms.of(model, found.reconstruction + noise + 0.3 * half, found)
    assert (blank[:, 1] > 1.5 * plain[:, 1]).all()
    assert (step[:, 2] > 2 * plain[:, 2]).all()


def test_without_whole_reconstructions_there_is_no_score(tmp_path: Path, run: RunFolder) -> None:
    config = run.config()
    quick = config.model_copy(
        update={"embed": config.embed.model_copy(update={"quality_share": 0.5})}
    )
    list(embed(run, tmp_path / "quick.h5", quick))
    with EmbeddingStore(tmp_path / "quick.h5") as store:
        assert "quality/junk" not in store.names


def test_typical_contents_are_the_means_of_the_groups() -> None:
    middles = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]]).double()
    drawn = torch.randn(90, 2, generator=torch.Generator().manual_seed(1)).double()
    z = middles.repeat_interleave(torch.tensor([20, 60, 10]), 0) + 0.1 * drawn
    found = _typical(z)
    assert len(found) == 3
    assert torch.cdist(middles, found).amin(1).max() < 0.1


@pytest.mark.parametrize("count", [1, 2, 50])
def test_equal_contents_are_one_group(count: int) -> None:
    assert torch.equal(
        _typical(torch.full((count, 3), 0.7).double()), torch.full((1, 3), 0.7).double()
    )
