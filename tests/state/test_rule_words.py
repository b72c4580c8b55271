"""The rule of a set is a sentence that a person can read, whatever it is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvae_core.columns import Column
from tvae_core.selection import RULES
from tvae_gui.state.rule_words import PHRASES, rule_sentence

COLUMNS = (
    Column("error", "reconstruction error", "magnitude"),
    Column("shift", "shift, length", "magnitude", "px"),
    Column("cluster", "cluster", "class", names=("open", "closed")),
)
LASSO = {"kind": "polygon", "plane": "z1 z2", "vertices": [[0, 0], [1, 0], [0, 1]]}
ERROR = {"kind": "range", "column": "error", "low": 0.0, "high": 0.05}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (LASSO, "inside a lasso with 3 corners on z1 z2"),
        ({"kind": "circle", "plane": "pca", "centre": [1, -2], "radius": 0.5},
         "within 0.500 of (1.00, −2.00) on pca"),
        ({"kind": "rectangle", "plane": "pca", "x": [0, 1], "y": [2, 3]},
         "inside a rectangle from (0.00, 2.00) to (1.00, 3.00) on pca"),
        ({"kind": "nearest", "plane": "umap", "centre": [0, 0], "count": 1200},
         "among the 1,200 nearest to (0.00, 0.00) on umap"),
        (ERROR, "with reconstruction error from 0.00 to 0.0500"),
        ({"kind": "range", "column": "shift", "low": None, "high": 2.0},
         "with shift, length of at most 2.00 px"),
        ({"kind": "range", "column": "joined/defocus", "low": 1.0, "high": None},
         "with defocus of at least 1.00"),
        ({"kind": "values", "column": "cluster", "values": [1, -1]},
         "with cluster “closed” or unassigned"),
        ({"kind": "values", "column": "label", "values": [7]}, "with label 7"),
        ({"kind": "indices", "indices": [1, 2]}, "chosen one by one (2)"),
        ({"kind": "all"}, "of the whole run"),
        ({"kind": "intersect", "of": [LASSO, ERROR]},
         "inside a lasso with 3 corners on z1 z2 and with reconstruction error "
         "from 0.00 to 0.0500"),
        ({"kind": "subtract", "of": [{"kind": "all"}, {"kind": "union", "of": [LASSO, ERROR]}]},
         "of the whole run but not (inside a lasso with 3 corners on z1 z2 or with "
         "reconstruction error from 0.00 to 0.0500)"),
        ({"kind": "invert", "of": [LASSO]}, "not inside a lasso with 3 corners on z1 z2"),
    ],
)  # fmt: skip
def test_a_rule_is_a_sentence(rule: dict[str, Any], words: str) -> None:
    assert rule_sentence("half open", rule, COLUMNS) == f"“half open” holds the images {words}."


def test_every_kind_of_rule_has_words() -> None:
    assert set(PHRASES) == set(RULES)


_simple = st.sampled_from([LASSO, ERROR, {"kind": "all"}, {"kind": "none"}])
_rules = st.recursive(
    _simple,
    lambda inner: st.builds(
        lambda kind, of: {"kind": kind, "of": of},
        st.sampled_from(["union", "intersect", "subtract", "invert"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=30,
)


@given(_rules)
def test_no_rule_reads_like_a_program(rule: dict[str, Any]) -> None:
    words = rule_sentence("x", rule, COLUMNS)
    assert len(words) <= 401
    assert not set(words) & set("{}[]'_")
