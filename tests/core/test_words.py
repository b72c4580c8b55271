"""Numbers as they are written for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.words import listed, share, signed


def test_a_sign_is_always_written_with_the_minus_of_figures() -> None:
    assert [signed(v) for v in (0.517, -0.517, 0.0)] == ["+0.52", "−0.52", "+0.00"]


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "0.0 %"),
        (0, 2500, "0.0 %"),
        (1, 2500, "under 0.1 %"),
        (664, 2500, "26.6 %"),
        (9999, 10000, "over 99.9 %"),
        (10000, 10000, "100.0 %"),
    ],
)
def test_a_share_in_per_cent(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_some_are_never_none_and_not_all_are_never_all(part: int, more: int) -> None:
    words = share(part, part + more)
    assert not words.startswith(("0.0", "100.0"))


def test_of_many_names_the_first_are_listed() -> None:
    assert listed(["a", 1]) == "a, 1"
    assert listed(range(2000), 3) == "0, 1, 2 and 1,997 more"
