"""Two windows on one run: what either makes, changes or deletes is kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.selection import NamedSet
from tvae_gui.state.merging import merged_sets


def named(name: str, number: int) -> NamedSet:
    mask = np.arange(8) == number
    return NamedSet(name, "#000000", mask, {"kind": "indices", "indices": [number]})


def shown(sets: list[NamedSet]) -> dict[str, int]:
    return {one.name: int(np.flatnonzero(one.mask)[0]) for one in sets}


def test_both_keep_what_they_made_changed_and_deleted() -> None:
    before = [named("a", 0), named("b", 0), named("c", 0), named("d", 0)]
    mine = [named("a", 1), named("b", 0), named("d", 0), named("new of mine", 2)]
    theirs = [named("a", 0), named("b", 3), named("c", 0), named("new of theirs", 4)]
    found = shown(merged_sets(before, mine, theirs))
    assert found == {"a": 1, "b": 3, "new of mine": 2, "new of theirs": 4}


def test_where_both_changed_a_set_both_are_kept() -> None:
    assert shown(merged_sets([named("a", 0)], [named("a", 1)], [named("a", 2)])) == {
        "a": 1,
        "a (2)": 2,
    }
    assert shown(merged_sets([], [named("a", 1)], [named("a", 1)])) == {"a": 1}


def test_what_one_deleted_and_the_other_changed_stays() -> None:
    assert shown(merged_sets([named("a", 0)], [], [named("a", 2)])) == {"a": 2}
    assert shown(merged_sets([named("a", 0)], [named("a", 2)], [])) == {"a": 2}
    assert merged_sets([named("a", 0)], [], [named("a", 0)]) == []


SETS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 7), max_size=3)


@given(SETS, SETS, SETS)
def test_nothing_that_anybody_changed_is_lost(
    before: dict[str, int], mine: dict[str, int], theirs: dict[str, int]
) -> None:
    sets = [[named(*item) for item in one.items()] for one in (before, mine, theirs)]
    found = merged_sets(*sets)
    assert len({one.name for one in found}) == len(found)
    kept = {(one.name.partition(" ")[0], int(np.flatnonzero(one.mask)[0])) for one in found}
    for changed in (mine, theirs):
        assert {item for item in changed.items() if before.get(item[0]) != item[1]} <= kept
    again = merged_sets(found, found, found)
    assert shown(again) == shown(found)
