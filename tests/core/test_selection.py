"""Counts are of all images, rules give their masks again, and nothing changes in place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from tvae_core.errors import ConfigError
from tvae_core.selection import (
    Arrays,
    NamedSet,
    Selection,
    apply_rule,
    circle_mask,
    nearest_mask,
    range_mask,
    rectangle_mask,
)

N = 400
_RNG = np.random.default_rng(0)
XY = _RNG.normal(size=(N, 2)).astype(np.float32)
SOURCE = Arrays(
    N,
    planes={"pca": XY},
    columns={"elbo": XY[:, 0] * 10, "label": np.arange(N) % 4, "name": np.array(["a", "b"] * 200)},
)
TRIANGLE = [[-1.0, -1.0], [2.0, 0.0], [0.0, 1.5]]
SIMPLE: list[dict[str, Any]] = [
    {"kind": "polygon", "plane": "pca", "vertices": TRIANGLE},
    {"kind": "rectangle", "plane": "pca", "x": [-1, 0.5], "y": [0, 2]},
    {"kind": "circle", "plane": "pca", "centre": [0.2, 0.1], "radius": 0.7},
    {"kind": "nearest", "plane": "pca", "centre": [0, 0], "count": 30},
    {"kind": "range", "column": "elbo", "low": -3, "high": None},
    {"kind": "values", "column": "label", "values": [1, 3]},
    {"kind": "values", "column": "name", "values": ["b"]},
    {"kind": "indices", "indices": [0, 5, 399]},
    {"kind": "all"},
    {"kind": "none"},
]


def test_each_shape_holds_what_lies_in_it() -> None:
    x, y = XY.astype(float).T
    inside = (x >= -1) & (x <= 0.5) & (y >= 0) & (y <= 2)
    np.testing.assert_array_equal(rectangle_mask(XY, (-1, 0.5), (0, 2)), inside)
    near = np.hypot(x - 0.2, y - 0.1) <= 0.7
    np.testing.assert_array_equal(circle_mask(XY, (0.2, 0.1), 0.7), near)
    polygon = apply_rule(SIMPLE[0], SOURCE)
    np.testing.assert_array_equal(polygon, Path(TRIANGLE).contains_points(XY))
    order = np.argsort(np.hypot(x, y))[:30]
    assert set(np.flatnonzero(nearest_mask(XY, (0, 0), 30))) == set(order)


def test_nearest_takes_exactly_the_number_asked_even_with_ties() -> None:
    xy = np.zeros((10, 2))
    assert np.flatnonzero(nearest_mask(xy, (0, 0), 3)).tolist() == [0, 1, 2]
    xy[4] = np.nan
    assert nearest_mask(xy, (0, 0), 99).sum() == 9
    assert nearest_mask(xy, (0, 0), 0).sum() == 0


def test_a_range_holds_its_ends_and_no_nan() -> None:
    values = np.array([1.0, 2.0, 3.0, np.nan, np.inf])
    assert range_mask(values, 1, 2).tolist() == [True, True, False, False, False]
    assert range_mask(values, None, None).tolist() == [True, True, True, False, True]


_rules = st.recursive(
    st.sampled_from(SIMPLE),
    lambda inner: st.one_of(
        st.builds(
            lambda kind, parts: {"kind": kind, "of": parts},
            st.sampled_from(["union", "intersect", "subtract"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        inner.map(lambda part: {"kind": "invert", "of": [part]}),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_rules, _rules, st.sampled_from(["replace", "union", "subtract", "intersect"]))
def test_the_rule_of_a_combination_gives_its_mask_again(a: Any, b: Any, how: Any) -> None:
    one, two = Selection.from_rule(a, SOURCE), Selection.from_rule(b, SOURCE)
    combined = one.combine(two, how)
    for selection in (combined, combined.invert(), combined.invert().invert()):
        rule = json.loads(json.dumps(selection.rule))
        np.testing.assert_array_equal(apply_rule(rule, SOURCE), selection.mask)
        assert selection.count == len(selection.indices) == int(selection.mask.sum())


def test_sets_obey_the_laws_of_sets() -> None:
    a, b = (Selection.from_rule(rule, SOURCE) for rule in SIMPLE[:2])
    one = a.union(b).invert().mask
    np.testing.assert_array_equal(one, a.invert().intersect(b.invert()).mask)
    np.testing.assert_array_equal(a.subtract(b).mask, a.intersect(b.invert()).mask)
    assert a.union(b).count + a.intersect(b).count == a.count + b.count
    assert a.invert().count == N - a.count
    assert Selection.every(N).count == N
    assert Selection.none(N).union(a).rule == a.rule


def test_adding_again_and_again_keeps_the_rule_flat() -> None:
    selection = Selection.none(N)
    for _ in range(500):
        selection = selection.union(Selection.from_rule(SIMPLE[2], SOURCE))
    assert [part["kind"] for part in selection.rule["of"]] == ["circle"] * 500
    np.testing.assert_array_equal(apply_rule(selection.rule, SOURCE), selection.mask)


def test_a_selection_cannot_be_changed_in_place() -> None:
    mask = np.zeros(5, bool)
    selection = Selection(mask, {"kind": "none"})
    mask[0] = True
    assert selection.count == 0
    with pytest.raises(ValueError):
        selection.mask[0] = True


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "spell"}, "no rule of kind"),
        ({"kind": "range", "column": "gone", "low": 0, "high": 1}, "'gone'"),
        ({"kind": "circle", "plane": "pca", "centre": [0, 0]}, "'radius'"),
        ({"kind": "polygon", "plane": "pca", "vertices": "round"}, "cannot be applied"),
        ({"kind": "indices", "indices": [N]}, "cannot be applied"),
        ({"kind": "union", "of": []}, "cannot be applied"),
    ],
)
def test_a_rule_that_does_not_fit_says_why(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_rule(rule, SOURCE)


def test_a_named_set_can_be_applied_to_other_images() -> None:
    rule = {"kind": "range", "column": "elbo", "low": 0, "high": None}
    named = NamedSet("good", "#332288", apply_rule(rule, SOURCE), rule, note="sharp")
    other = Arrays(3, columns={"elbo": np.array([-1.0, 0.0, 5.0])})
    moved = named.reapplied(other)
    assert moved.mask.tolist() == [False, True, True]
    assert (moved.name, moved.note, moved.count) == ("good", "sharp", 2)
    assert named.selection.count == named.count == int((XY[:, 0] >= 0).sum())
