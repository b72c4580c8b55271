"""What a user and commands add to a run is kept: clusterings by name, sets that an export met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tvae_core.cli.main import main
from tvae_core.images_of import remember, remembered
from tvae_core.sidecar import load_sidecar
from tvae_core.store import EmbeddingStore
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]


def labellings(path: Path) -> dict[str, np.ndarray]:
    with EmbeddingStore(path) as store:
        return {name: kept.labels for name, kept in load_sidecar(store).labellings.items()}


def cluster(path: Path, name: str, count: int) -> None:
    words = ["cluster", str(path), "--method", "k-means", "--count", str(count), "--name", name]
    assert main(words) == 0


def reopened(window: MainWindow, path: Path, qtbot: QtBot) -> MainWindow:
    window.close_run()
    assert window.open(path)
    settle(qtbot, window)
    return window


def test_every_clustering_of_a_command_is_kept_and_shown_under_its_own_name(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    window.close_run()
    cluster(own_store, "coarse", 3)
    cluster(own_store, "fine", 5)
    before = labellings(own_store)
    assert window.open(own_store)
    settle(qtbot, window)
    state, which = window.state, window.cluster_drawer.which
    assert [which.itemText(n) for n in range(which.count())] == ["coarse", "fine"]
    assert state.clustering == "coarse"
    assert state.clusters is not None
    assert state.clusters.names == ("cluster 1", "cluster 2", "cluster 3")
    which.textActivated.emit("fine")
    settle(qtbot, window)
    assert state.clustering == "fine" == which.currentText()
    assert window.cluster_drawer.table.rowCount() == 5
    window.clusters.run("k-means", 4, False)
    qtbot.waitUntil(lambda: state.clustering == "clusters", timeout=30_000)
    settle(qtbot, window)
    window.session.save()
    after = labellings(own_store)
    assert set(after) == {"coarse", "fine", "clusters"}
    for name, labels in before.items():
        np.testing.assert_array_equal(after[name], labels)
    window.clusters.clear()  # forgets the one that is shown, no other
    assert set(state.clusterings) == {"coarse", "fine"}


def test_what_is_edited_keeps_its_name_and_is_shown_again(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    cluster(own_store, "fine", 5)
    window = reopened(window, own_store, qtbot)
    window.clusters.rename(1, "closed")
    assert window.state.clustering == "fine"
    window = reopened(window, own_store, qtbot)
    assert window.state.clusters is not None
    assert window.state.clusters.names[1] == "closed"


def test_a_command_beside_the_open_window_loses_nothing(
    window: MainWindow, own_store: Path, qtbot: QtBot
) -> None:
    cluster(own_store, "fine", 5)
    window = reopened(window, own_store, qtbot)
    cluster(own_store, "fine", 6)
    cluster(own_store, "coarse", 3)
    before = labellings(own_store)
    window.state.select_indices(range(10))
    window.state.add_set("good")
    window.session.touch()
    window.session.save()
    settle(qtbot, window)
    for name, labels in labellings(own_store).items():
        np.testing.assert_array_equal(labels, before[name])
    assert set(window.state.clusterings) == {"fine", "coarse"}
    assert window.cluster_drawer.table.rowCount() == 6


def test_two_windows_on_one_store_keep_the_sets_of_both(
    make_window: Make, own_store: Path, qtbot: QtBot
) -> None:
    one, other = make_window(), make_window()
    for number, window in enumerate((one, other)):
        assert window.open(own_store)
        settle(qtbot, window)
        window.state.select_indices(range(10 * number, 10 * number + 5))
        window.state.add_set(f"set {number}")
        window.session.touch()
        window.session.save()
    one.state.undo()  # its own set; that of the other is not its to take back
    one.state.redo()
    one.state.add_set("more")
    one.session.touch()
    one.session.save()
    one.state.undo()
    one.session.touch()
    one.session.save()
    with EmbeddingStore(own_store) as store:
        assert {kept.name for kept in load_sidecar(store).sets} == {"set 0", "set 1"}


@pytest.mark.parametrize("again", [False, True])
def test_an_export_never_replaces_a_set_of_the_same_name(
    window: MainWindow, own_store: Path, qtbot: QtBot, again: bool
) -> None:
    state = window.state
    state.select_indices(range(10))
    state.add_set("good", "three weeks of work")
    state.select_indices([20, 21])
    drawer = window.export_drawer
    for _ in range(1 + again):
        window.export.open()
        kinds = [drawer.format.itemData(n)[1] for n in range(drawer.format.count())]
        drawer.format.setCurrentIndex(kinds.index(".csv"))
        drawer.target.setText(str(own_store.parent / "good.csv"))
        drawer.overwrite.setChecked(True)
        drawer.target.textEdited.emit("")
        drawer.button.click()
        qtbot.waitUntil(lambda: "verified" in drawer.outcome, timeout=20_000)
    window = reopened(window, own_store, qtbot)
    sets = {named.name: named for named in window.state.sets}
    assert list(sets) == ["good", "good 2"]
    assert (sets["good"].count, sets["good"].note) == (10, "three weeks of work")
    assert np.flatnonzero(sets["good 2"].mask).tolist() == [20, 21]
    assert len((own_store.parent / "good.csv").read_text().splitlines()) == 3


def test_where_images_are_is_kept_with_its_own_run(
    window: MainWindow, own_store: Path, hinge_store: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    with EmbeddingStore(own_store) as store:
        remember(store, str(tmp_path))
    window.state.select_indices(range(3))
    window.state.add_set("few")
    window.session.touch()
    window.session.save()
    with EmbeddingStore(own_store) as store:
        assert remembered(store) == str(tmp_path)
    other = tmp_path / "other" / "embeddings.h5"
    other.parent.mkdir()
    other.write_bytes(hinge_store.read_bytes())
    other.with_suffix(".analysis.h5").write_bytes(b"damaged")
    window = reopened(window, other, qtbot)
    window.session.touch()
    window.session.save()
    with EmbeddingStore(other) as store:
        assert load_sidecar(store).images_at == ""
