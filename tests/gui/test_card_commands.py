"""The command that a card shows writes what the card writes, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.factories import particle_store
from tests.gui.conftest import by_command, settle
from tvae_core.export.registry import KINDS
from tvae_core.planes import PlaneChoice
from tvae_core.sidecar import load_sidecar
from tvae_core.work.cluster import ClusterRequest
from tvae_gui.main_window import MainWindow

Make = Callable[..., MainWindow]
FORMATS = [kind.ending for kind in KINDS]


@pytest.fixture
def busy(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> MainWindow:
    """A window with all that a user adds: clusters with a name, a joined column, a selection."""
    rows = "\n".join(
        ["index,defocus,grid", *(f"{n},{n / 7:.3f},{'ab'[n % 2]}" for n in range(600))]
    )
    (tmp_path / "extra.csv").write_text(rows)
    window.take_file(tmp_path / "extra.csv")
    window.clusters.run("k-means", 3, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    window.clusters.rename(0, "closed")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).random((600, 24, 24), np.float32))
    window.state.select({"kind": "indices", "indices": list(range(0, 600, 7))})
    settle(qtbot, window)
    return window


def export(window: MainWindow, ending: str, target: Path, qtbot: QtBot, **ticks: object) -> str:
    """Export by the card; return the command that it shows."""
    window.export.open(ticks.pop("source", None))  # type: ignore[arg-type]
    drawer = window.export_drawer
    drawer.format.setCurrentIndex(FORMATS.index(ending))
    drawer.target.setText(str(target))
    drawer.images_at.setText(str(ticks.pop("images_at", "")))
    for name in ("rest", "with_pose"):
        getattr(drawer, name).setChecked(bool(ticks.pop(name, False)))
    drawer._pose.setCurrentIndex(int(bool(ticks.pop("upright", False))))
    assert not ticks
    drawer.target.textEdited.emit("")
    drawer.button.click()
    qtbot.waitUntil(lambda: bool(drawer.outcome), timeout=30_000)
    assert "→" in drawer.outcome, drawer.outcome
    return drawer.command


def content(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of the files of a folder, but for the time in an MRC header."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = {}
    for file in files:
        data = file.read_bytes()
        found[file.name] = data[:224] + data[1024:] if file.suffix == ".mrcs" else data
    return found


def same_by_command(command: str, target: Path) -> None:
    """Run the command of what was written to `target`, and compare."""
    written = content(target)
    target.rename(target.with_name(f"card-{target.name}"))
    by_command(command)
    assert content(target) == written


@pytest.mark.parametrize("ending", [".mrcs", ".npy", ""])
def test_images_of_a_selection_that_moved(
    busy: MainWindow, tmp_path: Path, qtbot: QtBot, ending: str
) -> None:
    target = tmp_path / f"some{ending}"
    images_at = tmp_path / "images.npy"
    command = export(busy, ending, target, qtbot, images_at=images_at, upright=True)
    same_by_command(command, target)


def test_a_table_with_what_was_joined_and_the_clusters(
    busy: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    target = tmp_path / "some.csv"
    command = export(busy, ".csv", target, qtbot)
    head = target.read_text().split("\n", 1)[0].split(",")
    assert {"defocus", "grid", "cluster"} <= set(head)
    same_by_command(command, target)


def test_a_table_for_scanpy(busy: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    anndata = pytest.importorskip("anndata", reason="needs anndata")
    target = tmp_path / "some.h5ad"
    command = export(busy, ".h5ad", target, qtbot)
    found = anndata.read_h5ad(target)
    assert {"defocus", "grid", "cluster"} <= set(found.obs)
    assert found.obs_names[:2].tolist() == ["0", "7"]
    same_by_command(command, target)


@pytest.mark.parametrize(
    ("plane", "colour"),
    [
        (PlaneChoice("pca"), "cluster"),
        (PlaneChoice("z", 1, 0), "joined/defocus"),
        (PlaneChoice("z", 0, 1), "angle"),
        (PlaneChoice("pca"), "density"),
        (PlaneChoice("z", 0, 1), "joined/grid"),
    ],
)
def test_a_figure_of_the_plane_as_it_is_shown(
    busy: MainWindow, tmp_path: Path, qtbot: QtBot, plane: PlaneChoice, colour: str
) -> None:
    busy.state.choose_plane(plane)
    busy.inspector_presenter.colour_by(colour)
    assert busy.state.colour.key == colour
    target = tmp_path / "plane.png"
    command = export(busy, ".png", target, qtbot, source=("all", ""))
    same_by_command(command, target)


def test_a_cluster_and_the_images_in_none(busy: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    command = export(busy, ".csv", tmp_path / "one.csv", qtbot, source=("cluster", 1))
    same_by_command(command, tmp_path / "one.csv")


def test_particles_with_poses_and_clusters(
    star: Path,
    tmp_path: Path,
    make_window: Make,
    qtbot: QtBot,
) -> None:
    (tmp_path / "run").mkdir()
    window = make_window()
    assert window.open(particle_store(tmp_path / "run" / "embeddings.h5", star))
    settle(qtbot, window)
    window.clusters.run("k-means", 3, False)
    qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    moved = tmp_path / "moved.star"
    star.rename(moved)
    target = tmp_path / "half.star"
    command = export(
        window, ".star", target, qtbot, source=("cluster", 0), images_at=moved,
        with_pose=True, rest=True,
    )  # fmt: skip
    rest = tmp_path / "half-rest.star"
    others = content(rest)
    rest.unlink()
    same_by_command(command, target)
    assert content(rest) == others


def test_clusters_of_the_plane_on_show_are_those_of_the_command(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window.state.choose_plane(PlaneChoice("pca"))
    asked: list[ClusterRequest] = []
    find = ClusterRequest.find

    def noted(request: ClusterRequest, *rest: object) -> object:
        asked.append(request)
        return find(request, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClusterRequest, "find", noted)
        window.clusters.run("k-means", 4, True)
        qtbot.waitUntil(lambda: window.state.clusters is not None, timeout=30_000)
    settle(qtbot, window)
    assert window.state.clusters is not None
    by_command(asked[0].shell_line())
    store = window.state.store
    assert store is not None
    kept = load_sidecar(store).labellings[asked[0].label_name]
    np.testing.assert_array_equal(kept.labels, window.state.clusters.labels)
