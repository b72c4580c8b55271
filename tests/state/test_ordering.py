"""The order of numbers is that of a stable sort, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvae_gui.state.ordering import order_of

FLOATS = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32))
WHOLE = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(-(2**40), 2**40))
SMALL = hnp.arrays(np.int32, st.integers(0, 40), elements=st.integers(-3, 3))
DOUBLE = hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats())


@given(FLOATS | WHOLE | SMALL | DOUBLE, st.booleans())
def test_it_is_that_of_a_stable_sort_with_nan_last(values: Any, descending: bool) -> None:
    numbers = list(range(len(values)))
    sign = -1 if descending else 1

    def key(n: int) -> tuple[bool, float]:
        unknown = bool(values[n] != values[n])
        return unknown, 0.0 if unknown else sign * values[n].item()

    assert order_of(values, descending).tolist() == sorted(numbers, key=key)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16])
def test_other_kinds_of_numbers_are_sorted_too(dtype: Any) -> None:
    values = np.array([1, 0, 1, 0, 1]).astype(dtype)
    assert order_of(values).tolist() == [1, 3, 0, 2, 4]
    assert order_of(values, True).tolist() == [0, 2, 4, 1, 3]
