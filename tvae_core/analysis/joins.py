"""Groups joined two by two, the nearest first: the loop of every agglomerative method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeVar

Group = TypeVar("Group")
Between = TypeVar("Between")


def joins(
    groups: dict[int, Group],
    between: Callable[[Group, Group], Between],
    together: Callable[[Group, Group], Group],
    order: Callable[[Between], Any],
) -> Iterator[tuple[int, int, Between]]:
    """Join the pair that comes first until one group is left; yield each that is about to be.

    Parameters
    ----------
    groups : by number
        Not changed.
    between, together : callable
        What lies between two groups, and what they are when joined.
    order : callable
        What sorts that which lies between two groups.

    Yields
    ------
    The number that stays, the number that goes, and what lay between them.
    """
    groups = dict(groups)
    pairs = {pair: between(groups[pair[0]], groups[pair[1]]) for pair in combinations(groups, 2)}
    while pairs:
        one, other = min(pairs, key=lambda pair: order(pairs[pair]))
        yield one, other, pairs[one, other]
        groups[one] = together(groups[one], groups.pop(other))
        pairs = {pair: found for pair, found in pairs.items() if other not in pair}
        for pair in pairs:
            if one in pair:
                pairs[pair] = between(groups[pair[0]], groups[pair[1]])
