"""One door: whatever it is, it is told, and so is how to go on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.images.makers import mrc_bytes, save_pictures
from tests.factories import make_store
from tvae_core.cli.main import main
from tvae_core.config import RunConfig
from tvae_core.files import write_text
from tvae_core.progress import Failed
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.process import mark
from tvae_core.runs.recognise import Kind, what_are, what_is

IMAGES = np.random.default_rng(0).integers(0, 255, (6, 16, 16)).astype(np.uint8)


def make_run(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.create(RunConfig())
    return folder


def test_a_run_in_every_state(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    found = what_is(run.path)
    assert (found.kind, found.words) == (Kind.RUN, "a run that has not begun")
    write_text(run.metrics, "")
    write_text(run.pid_file, mark())
    found = what_is(run.path)
    assert found.words == "a run at work"
    assert found.command == ""
    run.pid_file.unlink()
    write_text(run.progress, Failed("the loss is not a number", "", "").to_json() + "\n")
    found = what_is(run.path)
    assert found.words == "a run that failed: the loss is not a number"
    assert found.command == f"tvae train {run.path} --resume"
    run.config_file.write_text("{broken")
    found = what_is(run.path)
    assert found.kind is Kind.RUN
    assert "missing or damaged" in found.words
    assert found.error is not None


@pytest.mark.parametrize("inside", ["config.json", "checkpoints", "previews/epoch.png", "log.txt"])
def test_what_lies_in_a_run_is_the_run(tmp_path: Path, inside: str) -> None:
    run = make_run(tmp_path / "run")
    save_pictures(run.previews, IMAGES[:1])
    (run.previews / "000.png").rename(run.previews / "epoch.png")
    run.log_file.write_text("words")
    assert what_is(run.path / inside).path == run.path


def test_stores_and_their_notes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "embeddings.h5")
    assert what_is(store).kind is Kind.STORE
    assert what_is(tmp_path).path == store
    notes = tmp_path / "embeddings.analysis.h5"
    notes.write_bytes(b"anything")
    assert what_is(notes).path == store
    store.unlink()
    assert what_is(notes).kind is Kind.UNKNOWN


def test_a_folder_of_runs(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "mine" / name).path for name in ("a", "b")]
    found = what_is(tmp_path)
    assert (found.kind, found.words) == (Kind.RUNS, "a folder of 2 runs")
    assert sorted(found.others) == sorted(path.resolve() for path in runs)


def test_images_of_every_kind_lead_to_a_new_run(tmp_path: Path) -> None:
    save_pictures(tmp_path / "nested" / "a" / "b", IMAGES)
    np.save(tmp_path / "s.npy", IMAGES)
    (tmp_path / "s.mrcs").write_bytes(mrc_bytes(IMAGES.astype(np.float32)))
    for name in ("nested", "s.npy", "s.mrcs", "nested/a/b/001.png"):
        found = what_is(tmp_path / name)
        assert found.kind is Kind.IMAGES, name
        assert found.command == f"tvae train RUN --data {tmp_path / name}"
    assert what_is(tmp_path / "s.npy").words == "6 images of 16 × 16 px (NumPy array)"


def test_a_folder_with_one_table_is_that_table(tmp_path: Path) -> None:
    (tmp_path / "s.mrcs").write_bytes(mrc_bytes(IMAGES.astype(np.float32)))
    rows = "\n".join(f"{n + 1}@s.mrcs" for n in range(6))
    table = tmp_path / "particles.star"
    table.write_text(f"data_\n\nloop_\n_rlnImageName #1\n{rows}\n")
    assert what_is(tmp_path).path == table
    (tmp_path / "s.mrcs").unlink()
    found = what_is(table)
    assert (found.kind, found.words) == (Kind.IMAGES, "a RELION table that cannot be read")
    assert "s.mrcs" in str(found.error)


def test_of_hdf5_files_those_that_a_setting_opens_are_images(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = IMAGES, IMAGES
    with h5py.File(tmp_path / "five.h5", "w") as file:
        file["a"] = np.zeros((5, 6, 16, 16, 7))
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["data.values"] = np.arange(9)  # "data." in a name says nothing
    for name in ("two.h5", "five.h5"):
        found = what_is(tmp_path / name)
        assert found.kind is Kind.IMAGES, name
        assert "data." in str(found.error)
    assert what_is(tmp_path / "none.h5").kind is Kind.UNKNOWN


def test_a_large_single_image_is_a_field(tmp_path: Path) -> None:
    np.save(tmp_path / "field.npy", np.zeros((700, 900), np.uint8))
    found = what_is(tmp_path / "field.npy")
    assert (found.kind, found.words) == (Kind.FIELD, "a field, 900 × 700 px")
    np.save(tmp_path / "fields.npy", np.zeros((2, 1100, 1100), np.uint8))
    assert what_is(tmp_path / "fields.npy").kind is Kind.FIELD


def test_an_unknown_file_says_what_it_seems_to_be(tmp_path: Path) -> None:
    files = {
        "a.pdf": (b"%PDF-1.7 ...", "a PDF document"),
        "notes.txt": (b"some words", "a text file"),
        "b.pt": (b"\x80\x04\x95....", "a Python pickle"),
        "c.xyz": (b"\x7fELF....", "a program"),
        "empty.dat": (b"", "an empty file"),
    }
    for name, (content, words) in files.items():
        (tmp_path / name).write_bytes(content)
        found = what_is(tmp_path / name)
        assert found.kind is Kind.UNKNOWN
        assert found.words.startswith(words), name
        assert found.error is not None
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("picture.png", b"x")
    assert "unpack it first" in str(what_is(tmp_path / "x.zip").error)
    (tmp_path / "s.dat").write_bytes((tmp_path / "x.zip").read_bytes())
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert "not a picture" in what_is(tmp_path / "bad.png").words
    assert "no such file" in str(what_is(tmp_path / "gone").error)
    (tmp_path / "nothing").mkdir()
    assert what_is(tmp_path / "nothing").words.startswith("a folder that holds no images")


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=600), suffix=st.sampled_from(["", ".mrc", ".png", ".h5", ".z"]))
def test_nothing_is_so_broken_that_it_raises(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"file{suffix}"
    path.write_bytes(content)
    found = what_is(path)
    assert found.words
    assert found.kind is not Kind.UNKNOWN or found.error is not None


def test_several_pictures_are_their_folder_where_they_are_all_of_it(tmp_path: Path) -> None:
    save_pictures(tmp_path, IMAGES)
    every = sorted(tmp_path.glob("*.png"))
    assert what_are(every).path == tmp_path
    some = what_are(every[:2])
    assert (some.path, some.others) == (every[0], (every[1],))
    assert "the first of 2 things given" in some.words


def test_the_command_tells_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    np.save(tmp_path / "s.npy", IMAGES)
    assert main(["open", str(tmp_path / "s.npy")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("s.npy: 6 images of 16 × 16 px (NumPy array)")
    assert told[1] == f"go on with: tvae train RUN --data {tmp_path / 's.npy'}"
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    assert main(["open", "--json", str(tmp_path / "a.pdf")]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["kind"] == "unknown"
    assert "a PDF document, which is not read" in printed.err
