"""The command line: every journey, and errors of one line with the right exit status."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.engine.runs import TINY, write_images
from tvae_core.cli.main import COMMANDS, main
from tvae_core.config import SECTIONS, RunConfig, load_config
from tvae_core.engine.detection.detect import Detector
from tvae_core.errors import ConfigError
from tvae_core.images.opening import open_stack
from tvae_core.presets import load_preset, preset_names
from tvae_core.progress import Epoch, Finished, from_json
from tvae_core.store import EmbeddingStore

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    RunConfig.model_validate(TINY).save(folder / "config.json")
    words = ["train", str(folder / "run"), "--data", str(write_images(folder)), "--epochs", "1"]
    assert main([*words, "--config", str(folder / "config.json")]) == 0
    return folder / "run"


def test_help_imports_neither_torch_nor_the_config() -> None:
    code = (
        "import sys; from tvae_core.cli.main import main; main(['--help'])\n"
        "heavy = {'torch', 'escnn', 'pydantic', 'numpy', 'h5py', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"tvae {command}" in capsys.readouterr().out


def test_every_parameter_is_an_option_of_train(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for section in SECTIONS.values():
        assert all(f"--{name.replace('_', '-')} " in text for name in section.model_fields)


def test_unknown_words_are_one_line(capsys: Capture) -> None:
    assert main(["fly"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([]) == 2


def test_train_wrote_a_store_and_its_settings(run: Path) -> None:
    assert (run / "embeddings.h5").exists()
    config = load_config(run / "config.json")
    assert config.train.epochs == 1
    assert config.model.encoder_kernels == 4


def test_json_lines_are_records(run: Path, tmp_path: Path, capsys: Capture) -> None:
    config = str(run / "config.json")
    assert main(["train", str(tmp_path / "again"), "--config", config, "--json"]) == 0
    records = [from_json(line) for line in capsys.readouterr().out.splitlines()]
    assert any(isinstance(r, Epoch) for r in records)
    assert isinstance(records[-1], Finished)
    assert records[-1].path.endswith("embeddings.h5")


def test_a_failure_is_a_record_and_one_line(tmp_path: Path, capsys: Capture) -> None:
    words = ["train", str(tmp_path / "run"), "--data", str(tmp_path / "none.mrcs"), "--json"]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["kind"] == "failed"
    assert captured.err.count("\n") == 1
    assert "none.mrcs" in captured.err


def test_a_run_is_not_begun_twice_nor_changed(run: Path, capsys: Capture) -> None:
    assert main(["train", str(run)]) == 3
    assert "resume" in capsys.readouterr().err
    assert main(["train", str(run), "--epochs", "7"]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "many"], "train.epochs"),
        (["--kernel-px", "8"], "odd"),
        (["--set", "model.colour=red"], "unknown setting"),
        (["--preset", "best"], "no preset"),
    ],
)
def test_wrong_settings_name_the_setting(
    tmp_path: Path, words: list[str], message: str, capsys: Capture
) -> None:
    assert main(["train", str(tmp_path / "r"), "--data", "x.npy", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_info_knows_images_runs_and_stores(run: Path, tmp_path: Path, capsys: Capture) -> None:
    images = load_config(run / "config.json").data.path
    for path, kind in ((images, "NumPy"), (run, "run"), (run / "embeddings.h5", "store")):
        assert main(["info", str(path), "--json"]) == 0
        assert kind in json.loads(capsys.readouterr().out)["kind"]
    bad = np.ones((3, 8, 8), np.float32)
    bad[1, 2, 3] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    assert main(["info", str(tmp_path / "bad.npy")]) == 2
    assert "1 pixel in 1 image is NaN" in capsys.readouterr().err


def test_info_says_of_which_images_it_speaks(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvae_core.images.values._ALL_BELOW", 1 << 20)
    images = np.random.default_rng(0).normal(size=(5000, 8, 8)).astype(np.float32)
    images[:2, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", images)
    assert main(["info", str(tmp_path / "a.npy")]) == 2
    told = capsys.readouterr()
    assert "1,000 of 5,000 images, spread over the set (--deep reads all)" in told.out
    assert "1 pixel in 1 image of the 1,000 looked at is NaN" in told.err
    assert main(["info", str(tmp_path / "a.npy"), "--deep"]) == 2
    told = capsys.readouterr()
    assert "every pixel of every image" in told.out
    assert "2 pixels in 2 images are NaN" in told.err


def test_validate_finds_damage(run: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["validate", str(run)]) == 0
    content = bytearray((run / "embeddings.h5").read_bytes())
    content = content[: len(content) - 300]
    (tmp_path / "cut.h5").write_bytes(content)
    assert main(["validate", str(tmp_path / "cut.h5")]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_decode_draws_at_any_size(run: Path, tmp_path: Path) -> None:
    words = ["decode", str(run), "--z", "0,0", "--z", "1,-1", "--side", "30", "--angle-deg", "20"]
    assert main([*words, "-o", str(tmp_path / "d.npy")]) == 0
    assert np.load(tmp_path / "d.npy").shape == (2, 30, 30)
    assert main(["decode", str(run), "--grid", "3", "-o", str(tmp_path / "d.png")]) == 0
    with Image.open(tmp_path / "d.png") as picture:
        assert picture.size[0] > 30
    assert main(["decode", str(run), "--z", "0,0,0", "-o", str(tmp_path / "e.npy")]) == 2


def test_images_without_groups_are_said_to_be_one_cloud_and_no_table_of_zeros_is_shown(
    run: Path, capsys: Capture
) -> None:
    assert main(["cluster", str(run), "--method", "ward", "--name", "auto"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 cluster of ")
    assert "one continuous cloud" in said
    assert "0.000" not in said


def test_cluster_then_export_a_cluster(run: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["cluster", str(run), "--count", "3"]) == 0
    out = tmp_path / "c.mrcs"
    assert main(["export", str(run), str(out), "--cluster", "1", "--upright"]) == 0
    assert "verified" in capsys.readouterr().out
    assert main(["export", str(run), str(out), "--cluster", "1"]) == 2  # never overwritten silently
    assert main(["export", str(run), str(tmp_path / "t.csv"), "--cluster", "1", "--rest"]) == 0
    with EmbeddingStore(run) as store:
        rows = (tmp_path / "t.csv").read_text().count("\n") - 1
        from tvae_core.images.opening import open_stack

        assert rows + len(open_stack(out)) == store.images


def test_export_figures_and_model_size(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "plane.png")]) == 0
    assert main(["export", str(run), str(tmp_path / "m.npy"), "--model-size"]) == 0
    assert np.load(tmp_path / "m.npy").shape == (60, 12, 12)
    assert main(["export", str(run), str(tmp_path / "x.npy"), "--set", "none"]) == 2


def test_synth_writes_a_set_and_keeps_it(tmp_path: Path, capsys: Capture) -> None:
    words = ["synth", "hinge", str(tmp_path / "h"), "--count", "4", "--side", "24"]
    assert main(words) == 0
    assert (tmp_path / "h" / "particles.star").exists()
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert main(["synth", "hinge", str(tmp_path / "i"), "--count", "few"]) == 2


def test_every_preset_is_sound() -> None:
    assert {"paper-mnist", "paper-particles", "paper-galaxy", "paper-dsprites", "fast-cpu"} <= set(
        preset_names()
    )
    for name in preset_names():
        config = load_preset(name)
        if name.startswith("paper"):
            model, train = config.model, config.train
            assert (train.learning_rate, train.batch_size, train.epochs) == (2e-4, 100, 500)
            assert (train.plateau_epochs, train.stop_epochs) == (10, 20)
            assert (model.encoder_kernels, model.generator_hidden) == (128, 512)
            assert model.activation == "leaky-relu"
            assert not model.subpixel_shift
            assert train.sampler == "gumbel-softmax"
            assert train.pixel_share == 1


def test_the_example_of_settings_survives_a_round_trip(tmp_path: Path) -> None:
    config = load_preset("paper-particles").changed(["model.z_dim=5", "data.mask=true"])
    config.save(tmp_path / "c.json")
    assert load_config(tmp_path / "c.json") == config
    with pytest.raises(ConfigError, match="no such config"):
        load_config(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="not a JSON"):
        load_config(tmp_path / "bad.json")


def test_symmetry_of_all_of_a_set_and_of_a_content(run: Path, capsys: Capture) -> None:
    from tvae_core.selection import NamedSet
    from tvae_core.sidecar import load_sidecar, save_sidecar

    with EmbeddingStore(run) as store:
        sidecar = load_sidecar(store)
        mask = np.arange(store.images) < 7
        rule = {"kind": "indices", "indices": list(range(7))}
        sidecar.sets.append(NamedSet("seven", "#000000", mask, rule))
        save_sidecar(sidecar, store)
        middle = store.z_mean[:7].mean(0)
    assert main(["symmetry", str(run), "--set", "seven", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(facts["z"], middle, rtol=1e-5)
    assert (facts["images"], len(facts["correlation"])) == (7, 360)
    assert facts["correlation"][0] == 1
    assert sum(facts["counts"].values()) == 7
    assert main(["symmetry", str(run), "--z", "0,0", "--angles", "72"]) == 0
    assert "mean content:" in capsys.readouterr().out
    assert main(["symmetry", str(run)]) == 0
    assert "of 60 of 60 images" in capsys.readouterr().out
    assert main(["symmetry", str(run), "--set", "none"]) == 2
    assert "sets: seven" in capsys.readouterr().err
    assert main(["symmetry", str(run), "--angles", "3"]) == 2
    assert main(["symmetry", str(run), "--z", "0,0,0"]) == 2


def test_mirror_lists_pairs_or_says_there_is_no_atlas(
    run: Path, tmp_path: Path, capsys: Capture
) -> None:
    from tests.factories import store_content
    from tvae_core.store import write_store

    assert main(["mirror", str(run), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["nodes"] > 0
    assert isinstance(facts["pairs"], list)
    content = store_content(images=20)
    content.atlas = None
    write_store(tmp_path / "bare.h5", content)
    assert main(["mirror", str(tmp_path / "bare.h5")]) == 4
    assert "has no atlas" in capsys.readouterr().err


def test_detect_takes_an_8_bit_field_for_a_run_of_float_images(run: Path, tmp_path: Path) -> None:
    images = np.load(run.parent / "images.npy")
    field = np.zeros((40, 52), np.float32)
    field[5:17, 8:20], field[22:34, 30:42] = images[0], images[3]
    np.save(tmp_path / "float.npy", field)
    Image.fromarray(np.rint(200 * field / field.max()).astype(np.uint8)).save(tmp_path / "f.png")
    with EmbeddingStore(run) as store:
        detector = Detector(store)
    values = []
    for name in ("float.npy", "f.png"):
        with open_stack(tmp_path / name) as stack:
            values.append(detector.prepared(stack, 0).values)
    assert np.abs(values[0] - values[1]).max() < 0.01  # one grey level of 200


def test_detect_refuses_files_before_it_looks(run: Path, tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "fields.npy", np.zeros((2, 40, 52), np.float32))
    (tmp_path / "picks_000002.box").write_text("kept")
    # a run that is not there: the files are looked at first
    words = ["detect", str(tmp_path / "none"), str(tmp_path / "fields.npy")]
    for option, name, said in (
        ("-o", "picks.box", "picks_000002.box: already there"),
        ("-o", "picks.txt", "picks cannot be written as '.txt'"),
        ("--picture", "field.txt", "figures cannot be written as '.txt'"),
        ("--truth", "none.csv", "none.csv: no such file"),
    ):
        assert main([*words, option, str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "picks_000002.box").read_text() == "kept"


def test_detect_writes_picks_and_a_picture(run: Path, tmp_path: Path, capsys: Capture) -> None:
    field = np.zeros((3, 40, 52), np.float32)
    images = np.load(run.parent / "images.npy")
    for number, one in enumerate(field):
        one[5:17, 8:20], one[22:34, 30:42] = images[number], images[number + 3]
    np.save(tmp_path / "fields.npy", field)
    words = ["detect", str(run), str(tmp_path / "fields.npy"), "--threshold", "0", "--json"]
    files = [tmp_path / f"picks.{kind}" for kind in ("star", "csv")]
    outputs = [word for file in files for word in ("-o", str(file))]
    assert main([*words, *outputs, "--picture", str(tmp_path / "field.png")]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["images"] == 3
    assert figures["threshold"] == 0
    assert "of 60 objects were found" in figures["calibration"]
    rows = files[1].read_text().splitlines()
    assert len(rows) == figures["picks"] + 1
    with Image.open(tmp_path / "field.png") as picture:
        assert picture.width > 500
    assert main([*words, *outputs]) == 2  # already there
    assert main([*words[:3], "--threshold", "7"]) == 2
    field[1, 3, 4] = np.nan
    np.save(tmp_path / "fields.npy", field)
    capsys.readouterr()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "fields.npy, image 1 (from 0): 1 NaN or infinite pixels" in error
    assert "--bad-pixels" in error
    assert main([*words, "--bad-pixels", "mean"]) == 0


def test_a_mistyped_command_is_told_which_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "run"]) == 2
    assert capsys.readouterr().err == "tvae: error: no command 'trian' (did you mean 'train'?)\n"
    assert main(["xyz"]) == 2
    assert "commands: open, demo, synth" in capsys.readouterr().err


def test_images_without_a_finite_pixel_are_not_offered_a_remedy_that_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "nan.npy", np.full((4, 8, 8), np.nan))
    assert main(["info", str(tmp_path / "nan.npy")]) == 2
    assert "every pixel of every image" in capsys.readouterr().err


def test_a_packed_file_is_to_be_unpacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gzip.open(tmp_path / "images.npy.gz", "wb") as stream:
        np.save(stream, np.ones((2, 8, 8)))
    assert main(["info", str(tmp_path / "images.npy.gz")]) == 2
    assert "unpack it" in capsys.readouterr().err


def test_commands_are_quiet_and_speak_json_when_asked(
    run: Path, tmp_path: Path, capsys: Capture
) -> None:
    """One of each kind of answer: a check, facts, labels, files, figures, a list."""
    for number, flags in enumerate((["--quiet"], ["--json"], ["--json", "--quiet"])):
        for words in (
            ["validate", str(run)],
            ["info", str(run)],
            ["cluster", str(run), "--method", "k-means", "--count", "2", "--name", "q"],
            ["export", str(run), str(tmp_path / f"t{number}.csv")],
            ["decode", str(run), "--z", "0,0", "-o", str(tmp_path / f"d{number}.npy")],
            ["mirror", str(run)],
            ["presets"],
        ):
            capsys.readouterr()
            assert main([*words, *flags]) == 0
            told = capsys.readouterr()
            assert told.err == ""
            if "--json" in flags:
                assert isinstance(json.loads(told.out), (dict, list)), words
                assert told.out.count("\n") == 1
            else:
                assert told.out == "", words
