"""What a person does from opening a run to coming back to it another day."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from pytestqt.qtbot import QtBot

from tests.gui.conftest import settle
from tests.gui.hands import drag, ring, send, spot
from tests.gui.material import HingeDecoder, make_hinge_store
from tvae_core.colours import UNASSIGNED_COLOUR, class_colours
from tvae_core.export.movies import why_no_mp4
from tvae_core.selection import polygon_mask
from tvae_gui.inspector.position_question import PositionQuestion
from tvae_gui.main_window import MainWindow
from tvae_gui.state.made import Clusters

Make = Callable[..., MainWindow]


def test_dragging_the_probe_shows_a_preview_at_once_and_the_exact_image_at_rest(
    window: MainWindow, qtbot: QtBot
) -> None:
    drag(window, [(-1.5, -0.5), (-0.5, 0.2), (0.35, 0.9)], release=False)
    assert window.probe_panel.image.state == "preview"
    send(window, QEvent.Type.MouseButtonRelease, spot(window, 0.35, 0.9))
    qtbot.waitUntil(lambda: window.probe_panel.image.state == "exact", timeout=20_000)
    probe = window.state.probe
    assert probe is not None
    # half a pixel of the screen is about 0.01 of the plane
    np.testing.assert_allclose(probe.z, (0.35, 0.9), atol=0.02)
    exact = HingeDecoder(24).decode(probe.z)[0]
    np.testing.assert_allclose(window.probe.values, exact, atol=1e-5)
    assert "images near" in window.probe_panel.near_text


def test_the_count_of_a_lasso_is_of_all_images_and_follows_while_it_is_drawn(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.use_tool("lasso")
    outline = ring(0.35, 0.9, 0.7, 0.6)
    with qtbot.waitSignal(window.plane.shape_drawn, timeout=20_000):
        drag(window, outline, release=False)
    assert int(window.gallery.count_text) > 0
    send(window, QEvent.Type.MouseButtonRelease, spot(window, *outline[-1]))
    rule = window.state.selection.rule
    assert window.state.store is not None
    truth = polygon_mask(window.state.store.z_mean, rule["vertices"]).sum()
    assert window.state.selection.count == truth > 50
    settle(qtbot, window)
    assert window.gallery.average.image is not None
    assert window.gallery.residual.image is not None


def test_shift_adds_ctrl_shift_takes_away_and_undo_goes_back(window: MainWindow) -> None:
    window.use_tool("rectangle")
    drag(window, [(-2.5, -1.5), (-1.0, 0.5)])
    left = window.state.selection.count
    drag(window, [(1.0, -1.5), (2.5, 0.5)], Qt.KeyboardModifier.ShiftModifier)
    both = window.state.selection.count
    held = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
    drag(window, [(-2.5, -1.5), (-1.0, 0.5)], held)
    right = window.state.selection.count
    assert (left > 0, right > 0, both) == (True, True, left + right)
    window.commands.run("undo")
    assert window.state.selection.count == both
    window.commands.run("redo")
    window.commands.run("invert")
    assert window.state.selection.count == 600 - right


def test_open_drag_lasso_keep_export_and_come_back(
    window: MainWindow, own_store: Path, tmp_path: Path, make_window: Make, qtbot: QtBot
) -> None:
    window.use_tool("lasso")
    drag(window, ring(0.35, 0.9, 0.7, 0.6))
    window.sets.ask = lambda *_: "half open"
    window.commands.run("keep")
    count = window.state.sets[0].count
    window.inspector_presenter.colour_by("angle")
    window.state.set_filter("error", (0.0, 0.05))

    window.export.open(("set", "half open"))
    drawer = window.export_drawer
    drawer.format.setCurrentIndex(5)
    drawer.target.setText(str(tmp_path / "half.csv"))
    drawer.target.textEdited.emit("")
    assert drawer.command.split()[:2] == ["tvae", "export"]
    assert "--set 'half open'" in drawer.command
    drawer.button.click()
    qtbot.waitUntil(lambda: "verified" in drawer.outcome, timeout=10_000)
    with open(tmp_path / "half.csv", newline="") as stream:
        assert len(list(csv.reader(stream))) == count + 1
    window.close()

    again = make_window()
    assert again.open(own_store)
    settle(qtbot, again)
    assert [(s.name, s.count) for s in again.state.sets] == [("half open", count)]
    assert again.state.sets[0].rule["kind"] == "polygon"
    assert again.state.colour.key == "angle"
    assert again.state.filters == {"error": (0.0, 0.05)}


def test_original_images_are_exported_upright_and_verified(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    images = np.random.default_rng(0).normal(size=(600, 24, 24)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    window.state.select({"kind": "indices", "indices": [3, 5, 8]})
    window.export.open()
    drawer = window.export_drawer
    drawer.format.setCurrentIndex(2)
    drawer.target.setText(str(tmp_path / "three.npy"))
    drawer.images_at.setText(str(tmp_path / "images.npy"))
    drawer.images_at.textEdited.emit("")
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=10_000)
    assert drawer.outcome == f"3 images → {tmp_path / 'three.npy'}, verified"
    np.testing.assert_array_equal(np.load(tmp_path / "three.npy"), images[[3, 5, 8]])
    # the selection is kept, so that the command shown can be repeated
    assert [s.name for s in window.state.sets] == ["three"]


def test_clusters_show_averages_and_their_confusion_with_the_labels(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.cluster_drawer.open_drawer()
    window.clusters.run("k-means", 3, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    settle(qtbot, window)
    table = window.cluster_drawer.table
    for row in range(3):
        decoded, average = table.item(row, 0), table.item(row, 1)
        assert decoded is not None
        assert not decoded.icon().isNull()
        assert average is not None
        assert not average.icon().isNull()
    confusion = window.cluster_drawer.confusion
    assert confusion.isVisible()
    store, clusters = window.state.store, window.state.clusters
    assert store is not None
    assert clusters is not None
    assert store.labels is not None
    number = int(((store.labels == 1) & (clusters.labels == 2)).sum())
    cell = confusion.table.item(1, 2)
    assert cell is not None
    assert cell.toolTip().split()[0] == str(number)
    window.clusters.clear()
    assert not confusion.isVisible()


def test_clusters_are_found_renamed_merged_and_selected(window: MainWindow, qtbot: QtBot) -> None:
    window.clusters.run("k-means", 3, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    window.clusters.rename(0, "closed")
    assert window.state.clusters is not None
    assert window.state.clusters.names[0] == "closed"
    sizes = np.bincount(window.state.clusters.labels)
    window.clusters.select([0])
    assert window.state.selection.count == sizes[0]
    window.clusters.merge([1, 2])
    assert window.state.clusters.names == ("closed", "cluster 2")
    assert np.bincount(window.state.clusters.labels).tolist() == [sizes[0], sizes[1:].sum()]
    settle(qtbot, window)


def test_images_in_no_cluster_are_one_row_of_one_colour_everywhere(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    labels = np.where(np.arange(600) < 150, -1, np.arange(600) % 2).astype(np.int32)
    window.state.set_clusters(Clusters(labels, ("open", "closed"), class_colours(2), "hdbscan"))
    settle(qtbot, window)
    table = window.cluster_drawer.table
    name, size = table.item(2, 2), table.item(2, 3)
    assert name is not None
    assert size is not None
    assert (table.rowCount(), name.text(), size.text()) == (3, "unassigned", "150")
    assert name.icon().pixmap(10, 10).toImage().pixelColor(5, 5).name() == UNASSIGNED_COLOUR
    assert not name.flags() & Qt.ItemFlag.ItemIsEditable
    table.selectRow(2)
    assert window.state.selection.count == 150
    assert not window.cluster_drawer._buttons["Split"][0].isEnabled()
    window.inspector_presenter.on_class_picked(-1, False)  # its row of the legend
    assert window.state.selection.count == 150

    window.export.open(("cluster", -1))
    drawer = window.export_drawer
    assert drawer.source.currentText() == "unassigned (150)"
    window.export.open(("all", ""))
    kinds = [drawer.format.itemText(n) for n in range(drawer.format.count())]
    drawer.format.setCurrentIndex(next(n for n, words in enumerate(kinds) if "SVG" in words))
    drawer.target.setText(str(tmp_path / "plane.svg"))
    drawer.target.textEdited.emit("")
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=20_000)
    text = (tmp_path / "plane.svg").read_text()
    assert "unassigned  150" in text
    assert UNASSIGNED_COLOUR in text


def test_a_command_names_the_column_it_colours_by(window: MainWindow) -> None:
    titles = [column.title for column in window.state.columns]
    entries = {entry.key: entry.title for entry in window.commands.entries()}
    assert [entries[f"colour {n}"] for n in range(1, 10)] == [
        f"Colour by {title}" for title in titles[:9]
    ]
    window.commands.refresh()
    assert window.commands.action("colour 2").text() == f"Colour by {titles[1]}"
    window.close_run()
    window.commands.refresh()
    assert window.commands.action("colour 2").text() == "Colour by column 2"


def test_a_set_says_how_it_was_made(window: MainWindow) -> None:
    window.state.select({"kind": "range", "column": "error", "low": 0.0, "high": 0.05})
    window.state.add_set("good")
    window.sets.say_rule("good")
    assert window.message_bar.text == (
        "“good” holds the images with reconstruction error from 0.00 to 0.0500."
    )


def test_a_path_is_drawn_played_and_saved(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    window.use_tool("path")
    for place in [(-1.7, -0.5), (0.3, 1.0), (1.7, -0.5)]:
        drag(window, [place])
    assert window.path_state.exists
    window.commands.run("play")
    qtbot.waitUntil(lambda: window.path_state.frame > 2, timeout=20_000)
    window.commands.run("play")
    assert window.state.probe is not None
    assert window.state.probe.xy == window.path_state.head
    window.paths.save("gif", tmp_path / "path.gif")
    window.paths.save("csv", tmp_path / "path.csv")
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=20_000)
    assert (tmp_path / "path.gif").read_bytes()[:3] == b"GIF"
    with open(tmp_path / "path.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert (rows[0], len(rows)) == (["x", "y", "z1", "z2"], 61)


def test_a_joined_table_can_be_coloured_by(window: MainWindow, tmp_path: Path) -> None:
    lines = ["index,defocus,grid", *(f"{n},{n / 10},{'ab'[n % 2]}" for n in reversed(range(600)))]
    (tmp_path / "extra.csv").write_text("\n".join(lines))
    window.take_file(tmp_path / "extra.csv")
    assert "2 columns joined by index: 600 of 600 images have a row" in window.message_bar.text
    assert {"defocus", "grid"} <= {column.title for column in window.state.columns}
    assert window.state.values("joined/defocus")[7] == pytest.approx(0.7)
    window.inspector_presenter.colour_by("joined/grid")
    window.inspector_presenter.on_class_picked(1, False)
    assert window.state.selection.indices[:3].tolist() == [1, 3, 5]


@pytest.mark.parametrize("answer", [True, False])
def test_a_table_that_names_no_images_is_joined_by_position_only_when_she_says_so(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    (tmp_path / "extra.csv").write_text("\n".join(["defocus", *(str(n) for n in range(600))]))
    asked: list[str] = []

    def ask(what: str, path: Path) -> bool:
        asked.append(f"{path.name} {what}")
        return answer

    monkeypatch.setattr(window.data, "ask_position", ask)
    window.take_file(tmp_path / "extra.csv")
    assert asked == ["extra.csv names no images: its 600 rows have no uid, image name or index"]
    assert ("joined/defocus" in {c.key for c in window.state.columns}) == answer


def test_the_question_of_position_keeps_the_table_out_by_default(
    window: MainWindow, tmp_path: Path
) -> None:
    question = PositionQuestion("names no images", tmp_path / "extra.csv", window)
    assert question.defaultButton() is question.keep
    assert question.escapeButton() is question.keep


def test_a_table_of_another_length_is_refused_in_one_sentence(
    window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "extra.csv").write_text("defocus\n1\n2\n")
    window.take_file(tmp_path / "extra.csv")
    assert "2 rows, but the run has 600 images" in window.message_bar.text


def test_a_latent_of_one_dimension_has_a_strip_of_decoded_images(
    make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    window = make_window()
    assert window.open(make_hinge_store(tmp_path / "one.h5", images=400, z_dim=1, side=24))
    settle(qtbot, window)
    assert window.plane_presenter.why_no_tiles() == ""
    view = window.plane.window_in_view
    strip = window.plane_presenter._draw_strip(view)
    assert strip is not None
    assert strip.y0 == pytest.approx(view.y0)
    assert strip.y1 <= 0.02 * view.y1  # below the histogram's foot
    assert strip.rgba[..., 3].any()
    drag(window, [(-1.0, 3.0), (0.5, 3.0)])
    assert window.probe.values is not None
    window.plane.zoom(0.01)
    assert window.plane_presenter._draw_strip(window.plane.window_in_view) is not None


def test_mp4_is_grey_with_the_command_that_installs_what_it_needs(
    window: MainWindow,
) -> None:
    action = window.path_bar._saves["mp4"]
    assert action.isEnabled() == (why_no_mp4() == "")
    window.path_bar.set_reason("mp4", "pip install imageio-ffmpeg")
    assert not action.isEnabled()
    assert "pip install" in action.toolTip()
