"""The card of poses: the self-test, the symmetry of what is chosen, the mirror image marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.core.analysis.test_mirror import chiral
from tests.factories import store_content
from tests.gui.conftest import settle
from tests.gui.test_grey import silent
from tvae_core.geometry import pixel_grid_px, to_object_frame
from tvae_core.sidecar import sidecar_path
from tvae_core.store import Atlas, write_store
from tvae_gui.jobs.decode_job import engine_decoder
from tvae_gui.main_window import MainWindow
from tvae_gui.state.trust_state import EVERYTHING, PROBE, SELECTION, Subject

Make = Callable[..., MainWindow]


class StarDecoder:
    """Decodes z1 < 0 to an object of symmetry C3, z1 >= 0 to one of C2."""

    channels, z_dim = 1, 2

    def __init__(self, side: int) -> None:
        self.side = side

    def decode(
        self, z: Any, angle_rad: Any = 0.0, shift_px: Any = (0.0, 0.0), side: Any = None,
        cancelled: Any = None,
    ) -> Any:  # fmt: skip
        side = side or self.side
        points = to_object_frame(pixel_grid_px(side, side), np.zeros(1), np.zeros((1, 2)))[0]
        points = points * 40 / side
        made = []
        for row in np.atleast_2d(z):
            turns = np.arange(3 if row[0] < 0 else 2) * 2 * np.pi / (3 if row[0] < 0 else 2)
            places = 11 * np.stack([np.cos(turns), np.sin(turns)], 1)
            distance = ((points[:, None] - places) ** 2).sum(-1)
            made.append(np.exp(-distance / 14).sum(1).reshape(side, side))
        return np.array(made, np.float32)


def _store(path: Path, images: Any, x: Any, y: Any) -> Path:
    """Write a store whose atlas is given and whose images lie on its nodes."""
    path.parent.mkdir(parents=True)
    content = store_content(images=len(x) * len(y), side=40)
    nodes = np.stack(np.meshgrid(x, y), -1).astype(np.float32)
    z = nodes.reshape(-1, 2)
    levels = np.clip(images / images.max() * 255, 0, 255).astype(np.uint8)
    atlas = Atlas(levels, x.astype(np.float32), y.astype(np.float32), nodes, "z", 0.0, 1.0)
    columns = content.columns | {"content/mean": z}
    write_store(path, replace(content, columns=columns, atlas=atlas))
    return path


@pytest.fixture(autouse=True)
def _no_verdict_yet(request: pytest.FixtureRequest) -> None:
    """Forget what an earlier test found of the run that all share."""
    if "tiny" in request.fixturenames:
        store = request.getfixturevalue("tiny") / "run" / "embeddings.h5"
        sidecar_path(store).unlink(missing_ok=True)


@pytest.fixture
def star_window(make_window: Make, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """A window on objects of two symmetries, with the card open."""
    x, y = np.linspace(-2, 2, 8), np.linspace(-1, 1, 5)
    decoder = StarDecoder(40)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    images = decoder.decode(grid).reshape(len(y), len(x), 40, 40)
    window = make_window(lambda store: StarDecoder(store.header.side))
    assert window.open(_store(tmp_path / "star" / "embeddings.h5", images, x, y))
    settle(qtbot, window)
    window.commands.run("poses")
    return window


@pytest.fixture
def chiral_window(make_window: Make, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """A window on hooks: left-handed at negative z1, right-handed at positive."""
    x, y = np.linspace(-2, 2, 13), np.linspace(-1, 1, 6)
    images = np.array([[chiral(float(np.clip(1.6 * a, -1, 1)), 0.4 * b) for a in x] for b in y])
    window = make_window()
    assert window.open(_store(tmp_path / "chiral" / "embeddings.h5", images, x, y))
    settle(qtbot, window)
    return window


def test_the_symmetry_follows_the_probe(star_window: MainWindow, qtbot: QtBot) -> None:
    card = star_window.poses.drawer
    for z1, name in ((-1.4, "C3"), (1.4, "C2")):
        star_window.state.set_probe_z(np.array([z1, 0.0]))
        assert name in card.hint  # at once, of the blend
        settle(qtbot, star_window)
        found = star_window.poses.trust.symmetry
        assert found is not None
        assert found.mean.name == name
        assert found.mean.score > 0.95
        assert {p.name for p in card.plot.named_peaks} == {name}
    star_window.grab()


def test_the_symmetry_of_a_selection_says_how_it_varies(
    star_window: MainWindow, qtbot: QtBot
) -> None:
    window, card = star_window, star_window.poses.drawer
    window.state.select({"kind": "range", "column": "z1", "low": -2.1, "high": 0.4})
    at = [card.subject.itemData(k).kind for k in range(card.subject.count())]
    assert at == [PROBE, SELECTION, EVERYTHING]
    card.subject.setCurrentIndex(1)
    card.subject.activated.emit(1)
    qtbot.waitUntil(lambda: "C3, " in card.hint and "of its images" in card.hint, timeout=20_000)
    found = window.poses.trust.symmetry
    assert found is not None
    assert set(found.counts) == {"C3", "C2"}
    assert 0.5 < found.agreement < 1
    window.state.clear_selection()
    assert window.poses.trust.subject == Subject(PROBE)
    window.grab()


def test_a_set_is_a_subject_until_it_is_gone(star_window: MainWindow, qtbot: QtBot) -> None:
    window = star_window
    window.state.select({"kind": "range", "column": "z1", "low": 0.1, "high": 3.0})
    window.state.add_set("pairs")
    window.poses.trust.choose(Subject("set", "pairs"))
    settle(qtbot, window)
    found = window.poses.trust.symmetry
    assert found is not None
    assert found.counts == {"C2": 20}
    window.state.replace_sets([])
    assert window.poses.trust.subject == Subject(PROBE)


def test_the_mirror_image_is_marked_and_can_be_visited(
    chiral_window: MainWindow, qtbot: QtBot
) -> None:
    window = chiral_window
    window.state.set_probe_z(np.array([-1.5, 0.2]))
    window.commands.run("mirror")
    qtbot.waitUntil(lambda: window.plane.mirror.at is not None, timeout=20_000)
    at = window.plane.mirror.at
    assert at is not None
    assert at[0] > 0.4  # the other hand
    window.commands.run("poses")
    assert "Mirror image at z" in window.poses.drawer.mirror_text
    window.grab()
    window.poses.drawer.visit.click()
    assert window.state.probe is not None
    assert window.state.probe.z[0] == pytest.approx(at[0], abs=1e-5)
    window.state.set_probe_z(np.array([0.0, 0.2]))
    assert window.plane.mirror.at is None
    assert "own mirror image" in window.poses.drawer.mirror_text
    window.commands.run("mirror")
    assert not window.poses.drawer.mirror.isChecked()
    assert window.poses.drawer.mirror_text == ""


def test_the_card_is_never_silently_grey(star_window: MainWindow, make_window: Make) -> None:
    assert list(silent(star_window)) == []
    empty = make_window()
    empty.commands.refresh()
    assert list(silent(empty)) == []
    empty.commands.run("poses")
    assert not empty.poses.drawer.isVisible()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained for an epoch on real images."""
    pytest.importorskip("torch")
    from tests.core.engine.runs import tiny_run, write_images
    from tvae_core.engine.training.train import train
    from tvae_core.engine.using.embed import embed

    folder = tmp_path_factory.mktemp("tiny")
    run = tiny_run(folder / "run", write_images(folder), "train.epochs=1")
    list(train(run))
    list(embed(run))
    return folder


def test_a_run_is_tested_from_the_window(tiny: Path, make_window: Make, qtbot: QtBot) -> None:
    window = make_window(engine_decoder)
    assert window.open(tiny / "run")
    settle(qtbot, window)
    window.inspector.poses_button.click()
    card = window.poses.drawer
    assert card.isVisible()
    card.test_button.click()
    assert card.test_button.text() == "Stop"
    qtbot.waitUntil(lambda: window.poses.trust.report is not None, timeout=60_000)
    report = window.poses.trust.report
    assert report is not None
    assert report.verdict in card.text
    assert card.table.rowCount() == len(report.measures) == 5
    assert window.poses.trust.short in ("trusted", "trusted with care", "not to be trusted")
    assert list(silent(window)) == []
    window.grab()
    window.close_run()
    assert window.open(tiny / "run")
    again = window.poses.trust.report
    assert again is not None  # the verdict is remembered
    assert again.judgements == report.judgements
    settle(qtbot, window)


def test_stopping_keeps_the_window_as_it_was(tiny: Path, make_window: Make, qtbot: QtBot) -> None:
    window = make_window(engine_decoder)
    assert window.open(tiny / "run")
    settle(qtbot, window)
    window.poses.open()
    window.poses.test(True)
    window.poses.drawer.test_button.click()
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=60_000)
    assert window.poses.trust.report is None
    assert window.poses.drawer.test_button.text() == "Test"
    assert "by known amounts" in window.poses.drawer.text


def test_images_that_moved_are_asked_for(
    tiny: Path, make_window: Make, qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window(engine_decoder)
    images, elsewhere = tiny / "images.npy", tmp_path / "moved.npy"
    images.rename(elsewhere)
    try:
        assert window.open(tiny / "run")
        settle(qtbot, window)
        card = window.poses.drawer
        window.poses.open()
        window.poses.test(False)
        qtbot.waitUntil(lambda: "no such file" in card.text.lower(), timeout=60_000)
        find = next(b for b in card.findChildren(type(card.visit)) if "Locate" in b.text())
        assert find.isVisible()
        window.poses.ask_images = lambda: str(elsewhere)  # type: ignore[method-assign]
        find.click()
        qtbot.waitUntil(lambda: window.poses.trust.report is not None, timeout=60_000)
        assert not find.isVisible()
    finally:
        elsewhere.rename(images)


def test_a_test_of_an_earlier_run_does_not_disturb_that_of_the_next(
    tiny: Path, make_window: Make, qtbot: QtBot
) -> None:
    window = make_window(engine_decoder)
    assert window.open(tiny / "run")
    settle(qtbot, window)
    window.poses.open()
    window.poses.test(True)
    assert window.open(tiny / "run" / "embeddings.h5")
    qtbot.waitUntil(lambda: window.decoder.is_ready, timeout=20_000)
    assert window.poses.trust.report is None
    window.poses.open()
    window.poses.test(False)
    qtbot.waitUntil(lambda: window.poses.trust.report is not None, timeout=60_000)
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=60_000)
    report = window.poses.trust.report
    assert report is not None
    assert report.images == 48  # the short test, not the thorough one of 64
    assert window.poses.drawer.test_button.text() == "Test"
