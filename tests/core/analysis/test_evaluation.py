"""The rows of an evaluation: known when what was found is known."""

from __future__ import annotations

import numpy as np
import pytest

from tvae_core.analysis.evaluation import (
    Found,
    Row,
    Truth,
    clustering_rows,
    confusion,
    elbo_rows,
    factor_rows,
    rotation_rows,
    shift_rows,
    turn_rows,
)
from tvae_core.analysis.metrics import turn_errors


def values(rows: list[Row]) -> dict[str, float]:
    return {row.key: row.value for row in rows}


def found(z: np.ndarray, angle: np.ndarray, unturned: np.ndarray | None = None) -> Found:
    shift = np.column_stack([angle, -angle])
    return Found(z, np.full_like(z, 0.1), angle, shift, unturned)


def parted_classes() -> tuple[np.ndarray, np.ndarray]:
    """Return latents (300, 2) of three classes far apart, and their labels."""
    labels = np.arange(300) % 3
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    return centres[labels] + np.random.default_rng(1).normal(size=(300, 2)), labels


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_parted_classes_are_clustered_whole_by_every_method(rng: np.random.Generator) -> None:
    z, labels = parted_classes()
    truth = Truth(labels=labels)
    rows = clustering_rows(found(z, rng.uniform(-3, 3, len(z))), truth)
    assert len(rows) == 6
    assert set(values(rows).values()) == {1.0}
    assert clustering_rows(found(z, z[:, 0]), Truth()) == []
    counts = confusion(found(z, z[:, 0]), truth)
    assert counts is not None
    np.testing.assert_array_equal(counts, np.diag(np.bincount(labels)))


def test_the_spread_of_z_can_tell_classes_that_z_does_not(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 2, 400)
    z, spread = rng.normal(0, 0.1, (400, 2)), np.where(labels, 3.0, 0.5)[:, None] * np.ones(2)
    rows = values(clustering_rows(Found(z, spread, z[:, 0], z), Truth(labels=labels)))
    assert rows["clustering/ward/z-and-spread"] == 1.0
    assert rows["clustering/ward/z"] < 0.7


def test_images_without_a_label_do_not_count(rng: np.random.Generator) -> None:
    z, labels = parted_classes()
    half = np.where(np.arange(len(labels)) % 2, labels, -1)
    z = np.where(half[:, None] < 0, rng.normal(0, 50, z.shape), z)
    assert values(clustering_rows(found(z, z[:, 0]), Truth(labels=half)))["clustering/ward/z"] == 1


def test_rotations_under_each_protocol(rng: np.random.Generator) -> None:
    labels = np.arange(3000) % 3
    true = rng.uniform(-np.pi, np.pi, 3000)
    zero = np.array([0.0, 2.0, -2.1])[labels]  # each class has a zero of its own
    rows = rotation_rows(
        found(np.zeros((3000, 2)), true + zero, zero), Truth(labels=labels, angle_rad=true)
    )
    v = values(rows)
    assert v["rotation/plain/uniform"] < 0.1
    for protocol in ("unturned", "aligned"):
        assert v[f"rotation/{protocol}/uniform"] == pytest.approx(1, abs=0.05)
        assert v[f"rotation/{protocol}/rmse"] == pytest.approx(0, abs=1e-4)
    assert [v[f"rotation/class/{k}"] for k in range(3)] == pytest.approx([0, 0, 0], abs=1e-4)
    unreliable = [row for row in rows if row.key.endswith("/js")]
    assert all("unreliable" in row.note for row in unreliable)


def test_a_model_without_rotation_has_no_rotation_figures(rng: np.random.Generator) -> None:
    true = rng.uniform(-np.pi, np.pi, 50)
    found = Found(np.zeros((50, 2)), np.ones((50, 2)), np.full(50, 1e-7), np.zeros((50, 2)))
    assert rotation_rows(found, Truth(angle_rad=true)) == []


def test_angles_with_a_direction_have_a_reliable_second_form(rng: np.random.Generator) -> None:
    true = rng.normal(0, np.pi / 4, 2000)
    rows = rotation_rows(found(np.zeros((2000, 2)), true), Truth(angle_rad=true))
    second = next(row for row in rows if row.key == "rotation/plain/js")
    assert (second.value, second.note) == (pytest.approx(1), "")


def test_shifts_and_factors(rng: np.random.Generator) -> None:
    hinge = rng.uniform(-1, 1, 500)
    truth = Truth(
        shift_px=np.column_stack([hinge, hinge]), factors={"hinge_rad": hinge, "same": hinge * 0}
    )
    what = found(np.column_stack([np.exp(hinge), rng.normal(size=500)]), hinge)
    assert values(shift_rows(what, truth)) == pytest.approx({"shift/x": 1, "shift/y": -1})
    factors = values(factor_rows(what, truth))
    assert factors["factor/hinge_rad/axis"] == pytest.approx(1)
    assert len(factors) == 2


def test_turns_are_told_by_class_and_in_the_mean() -> None:
    turns = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    good, none = turns, np.zeros(160)
    errors = turn_errors(np.stack([good, good, none]), turns, np.zeros(3))
    truth = Truth(labels=np.array([0, 0, 1]), label_names=("a", "b"))
    v = values(turn_rows(errors, truth, 160))
    assert v["turns/unturned/0"] == pytest.approx(0, abs=1e-5)
    assert v["turns/unturned/mean"] == pytest.approx(v["turns/unturned/1"] / 2)


def test_the_elbo_names_its_samples() -> None:
    rows = elbo_rows({"elbo": -100.0, "kl_content": 3.0}, 8)
    assert rows[0].note.startswith("8 samples")
    assert [row.name for row in rows] == ["ELBO", "KL content"]


def test_a_part_of_the_truth_is_that_of_those_images() -> None:
    truth = Truth(labels=np.arange(5), factors={"size": np.arange(5.0)}).taken(np.array([4, 0]))
    assert truth.labels is not None
    assert truth.labels.tolist() == [4, 0]
    assert truth.factors["size"].tolist() == [4, 0]
    assert truth.angle_rad is None
