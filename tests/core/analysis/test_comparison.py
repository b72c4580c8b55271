"""Two groups compared: the rank-biserial correlation, by its definition and by its laws."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.analysis.comparison import differences_of, rank_biserial

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(VALUES, VALUES)
def test_it_is_the_share_of_pairs_won_less_those_lost(a: list[float], b: list[float]) -> None:
    pairs = np.sign(np.subtract.outer(a, b))
    # both are exact counts divided once: the last digit alone may differ
    assert abs(rank_biserial(np.array(a), np.array(b)) - pairs.mean()) < 1e-12
    assert rank_biserial(np.array(b), np.array(a)) == -rank_biserial(np.array(a), np.array(b))


def test_known_answers() -> None:
    low, high = np.arange(5.0), np.arange(10.0, 15.0)
    assert rank_biserial(high, low) == 1.0
    assert rank_biserial(low, high) == -1.0
    assert rank_biserial(low, low) == 0.0
    assert rank_biserial(np.array([np.nan]), low) == 0.0
    assert rank_biserial(np.array([np.nan, 20.0]), low) == 1.0


def test_columns_come_in_the_order_of_their_difference() -> None:
    rng = np.random.default_rng(0)
    first = np.arange(2_000) < 1_000
    columns = {
        "same": rng.normal(size=2_000),
        "far": rng.normal(size=2_000) - 3.0 * first,
        "near": rng.normal(size=2_000) + 0.5 * first,
    }
    found = differences_of(columns, first, ~first)
    assert [one.key for one in found] == ["far", "near", "same"]
    assert found[0].effect < -0.9
    assert abs(found[2].effect) < 0.1
    assert found[0].second - found[0].first > 2.5
