"""Junk is told in the truth, is of four kinds, and leaves the particles as they were."""

from __future__ import annotations

from typing import Any

import numpy as np

from tvae_core.synthetic import plan_set
from tvae_core.synthetic.junk import CARBON, EDGE, KINDS, NOISE, PARTICLE, TWO
from tvae_core.synthetic.plan import ImagePlan

COUNT = 80


def hinges(**options: Any) -> ImagePlan:
    return plan_set("hinge", **({"count": COUNT, "side": 48, "spread": "bimodal"} | options))


def test_particles_are_those_of_the_set_without_junk() -> None:
    plain, mixed = hinges(), hinges(junk=0.2)
    kind = mixed.truth["junk"]
    assert np.bincount(kind).tolist() == [64, 4, 4, 4, 4]
    assert len(KINDS) == 5
    particles = np.flatnonzero(kind == PARTICLE)
    np.testing.assert_array_equal(mixed.render(particles), plain.render(particles))
    np.testing.assert_array_equal(mixed.truth["label"][particles], plain.truth["label"][particles])
    assert (mixed.truth["label"][kind != PARTICLE] == -1).all()
    assert "junk" not in plain.truth


def test_each_kind_shows_what_it_is() -> None:
    plan = hinges(junk=1.0, snr=np.inf, ctf=False)
    kind = plan.truth["junk"]
    images = plan.render(np.arange(COUNT))
    assert not images[kind == NOISE].any()
    alone = hinges(snr=np.inf, ctf=False).render(np.arange(COUNT)).sum((1, 2)).mean()
    assert (images[kind == TWO].sum((1, 2)) > 1.1 * alone).mean() > 0.8  # some reach out of the box
    noisy = hinges(junk=1.0, snr=0.1).render(np.flatnonzero(kind == EDGE))
    blank = (noisy == 0).mean((1, 2))
    assert (blank > 0.1).all()
    assert (blank < 0.9).all()
    assert (np.abs(images[kind == CARBON]).max((1, 2)) > 0).mean() > 0.8


def test_an_image_does_not_depend_on_the_chunk() -> None:
    plan = hinges(junk=0.5)
    whole = plan.render(np.arange(COUNT))
    np.testing.assert_array_equal(plan.render(np.arange(30, 50)), whole[30:50])
