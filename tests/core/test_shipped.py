"""What ships is found in a checkout and in the wheel, under one name of ours."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tvae_core.shipped import NAME, shipped

HOUSE = Path(__file__).resolve().parents[2]
RESOURCES = HOUSE / "resources"


def test_a_checkout_ships_its_own_folder() -> None:
    assert shipped("example.h5") == RESOURCES / "example.h5"
    assert shipped("presets").is_dir()


def test_every_access_goes_through_that_name() -> None:
    sources = [*(HOUSE / "tvae_core").rglob("*.py"), *(HOUSE / "tvae_gui").rglob("*.py")]
    asking = {
        file.relative_to(HOUSE).as_posix()
        for file in sources
        if "importlib import resources" in file.read_text(encoding="utf-8")
        or "importlib.resources" in file.read_text(encoding="utf-8")
    }
    assert asking == {"tvae_core/shipped.py"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    code = (
        "import os, sys; from setuptools import build_meta; os.chdir(sys.argv[1]);"
        "print(build_meta.build_wheel(sys.argv[2], {'--global-option': []}))"
    )
    copy = folder / "source"
    ignored = {".git", ".venv", "tests", "benchmarks"}
    copy.mkdir()
    for part in HOUSE.iterdir():
        if part.name not in ignored and not part.name.startswith("."):
            (copy / part.name).symlink_to(part)
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_the_wheel_ships_the_folder_as_a_package_of_ours(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "tvae_core", "tvae_gui", NAME,
    }  # fmt: skip
    for file in RESOURCES.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert f"{NAME}/{file.relative_to(RESOURCES).as_posix()}" in names
    for page in (HOUSE / "docs").rglob("*.md"):
        if page.parent.name != "changelog.d":
            assert f"{NAME}/docs/{page.relative_to(HOUSE / 'docs').as_posix()}" in names


def test_the_wheel_works_where_no_checkout_is(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "from tvae_core.presets import preset_names; from tvae_core.shipped import shipped\n"
        "import tvae_core; print(tvae_core.__file__, len(preset_names()), shipped('example.h5'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, presets, example = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert int(presets) == len(list((RESOURCES / "presets").glob("*.json")))
    assert Path(example) == tmp_path / "site" / NAME / "example.h5"


def test_a_script_that_takes_presets_from_config_still_runs() -> None:
    from tvae_core import config, presets

    assert config.load_preset is presets.load_preset
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = config.no_such_thing
