"""The page of exit statuses and the code agree."""

from __future__ import annotations

import re
from pathlib import Path

from tvae_core import errors
from tvae_core.cli.stopping import ASKED_S, INTERRUPTED, INTERRUPTED_S
from tvae_core.errors import TvaeError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "exit-codes.md"
NOT_OURS = {0, 1}


def every_error() -> dict[str, int]:
    """Each error a user can meet, and its status."""
    waiting, found = [TvaeError], {}
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__ == errors.__name__:
            found[kind.__name__] = kind.exit_code
    return found


def on_the_page() -> dict[int, set[str]]:
    """The rows of the page: status, and the errors that have it."""
    rows = re.findall(r"^\| (\d+) \|.*\| (.*?) ?\|$", PAGE.read_text(), re.MULTILINE)
    return {int(code): set(re.findall(r"\w+", names)) for code, names in rows}


def test_the_page_lists_every_error_under_its_status() -> None:
    found = on_the_page()
    assert {name for names in found.values() for name in names} == set(every_error())
    for name, code in every_error().items():
        assert name in found[code]


def test_the_page_lists_no_status_that_does_not_occur() -> None:
    assert set(on_the_page()) == {*every_error().values(), INTERRUPTED} | NOT_OURS


def test_the_seconds_on_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"not stopped after {ASKED_S:.0f} seconds" in text
    assert f"ended after {INTERRUPTED_S:.0f} more" in text
    assert ASKED_S + INTERRUPTED_S < 10
