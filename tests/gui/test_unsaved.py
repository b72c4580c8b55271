"""What cannot be saved is said and kept: on a full disk too nothing is lost by closing once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.trust.places import can_mount, small_disk
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_gui.main_window import MainWindow

Trouble = tuple[Path, Callable[[], object]]  # the store, and what makes room for its notes


@contextmanager
def full_disk(own: Path, scratch: Path) -> Iterator[Trouble]:
    with small_disk(scratch, own.parent, free=0) as folder:
        yield folder / own.name, (scratch / "filler").unlink


@contextmanager
def disk_taken_out(own: Path) -> Iterator[Callable[[], None]]:
    away = own.parent.with_name("away")
    own.parent.rename(away)

    def put_back() -> None:
        if away.exists():
            away.rename(own.parent)

    yield put_back
    put_back()


def names(store: Path) -> list[str]:
    """Return the sets that lie on disk."""
    with EmbeddingStore(store) as opened:
        return [one.name for one in load_sidecar(opened).sets]


def test_changes_on_a_full_disk_stay_until_they_can_be_saved(
    make_window: Callable[..., MainWindow], own_store: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    if not can_mount(tmp_path / "disk"):
        pytest.skip("disks may not be mounted here")
    with full_disk(own_store, tmp_path / "disk") as (store, make_room):
        window = make_window()
        assert window.open(store)
        settle(qtbot, window)
        said: list[str] = []
        window.messages.said.connect(lambda level, text, _: said.append(f"{level}: {text}"))
        window.state.select_indices([1, 2, 3])
        window.state.add_set("a week of work")
        assert not window.close()
        assert window.isVisible()
        assert any(line.startswith("error") and "could not be saved" in line for line in said)
        assert "no space left" in said[-1]
        assert [one.name for one in window.state.sets] == ["a week of work"]
        make_room()
        assert window.close()
        assert names(store) == ["a week of work"]


def test_whoever_closes_twice_leaves_without_them(window: MainWindow, own_store: Path) -> None:
    with disk_taken_out(own_store):
        window.state.select_indices([1])
        window.state.add_set("dropped")
        assert not window.close()
        assert window.close()
    assert names(own_store) == []


def test_another_run_is_not_opened_over_unsaved_changes(
    window: MainWindow, own_store: Path, hinge_store: Path
) -> None:
    with disk_taken_out(own_store) as put_back:
        window.state.select_indices([1])
        window.state.add_set("mine")
        assert not window.session.open(hinge_store)
        assert [one.name for one in window.state.sets] == ["mine"]
        put_back()
        assert window.session.open(hinge_store)
    assert names(own_store) == ["mine"]
