"""The pages are true: links lead somewhere, commands exist, recipes and tutorials run."""

from __future__ import annotations

import csv
import importlib.util
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tvae_core as tvae
from tests.core.engine.model.models import blob_images
from tests.core.engine.runs import SIDE, TINY
from tvae_core.cli.main import COMMANDS, load

HOUSE = Path(__file__).resolve().parents[1]
DOCS = HOUSE / "docs"
PAGES = [
    *sorted(page for page in DOCS.rglob("*.md") if "changelog" not in str(page)),
    HOUSE / "README.md",
    HOUSE / "CONTRIBUTING.md",
    HOUSE / "SECURITY.md",
]
NAMES = [str(page.relative_to(HOUSE)) for page in PAGES]
TUTORIALS = sorted(page.stem for page in (DOCS / "tutorials").glob("*.md"))
COUNT = 24


def _prose_links(text: str) -> list[str]:
    """Return where the links and pictures of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    places = (link.partition("#")[0] for link in _prose_links(page.read_text(encoding="utf-8")))
    local = [place for place in places if place and "://" not in place]
    assert [place for place in local if not (page.parent / place).exists()] == []


def _options(command: str) -> set[str]:
    _, parser = load(command)
    return {name for action in parser._actions for name in action.option_strings}


OPTIONS = {command: _options(command) for command in COMMANDS}


def _commands(text: str) -> list[list[str]]:
    """Return the words of every `tvae` command of a page, in a block or in a line."""
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^(?:    |\$ )(\S.*)$", text, re.M)
    lines = (part for line in code for part in re.split(r"\s*(?:;|&&|\|)\s+", line))
    found = (re.match(r"(?:\S*/)?tvae\s+([a-z].*)", line) for line in lines)
    return [match.group(1).partition(" #")[0].split() for match in found if match]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    wrong = []
    for command, *words in _commands(page.read_text(encoding="utf-8")):
        if command not in OPTIONS:
            wrong.append(command)
            continue
        flags = {word.partition("=")[0] for word in words if word.startswith("-")} - {"--debug"}
        wrong += sorted(f"{command} {flag}" for flag in flags - OPTIONS[command])
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(--[a-z][a-z-]+)", page.read_text(encoding="utf-8")))
    others = {"--no-deps", "--count", "--strict", "--quick", "--data", "--debug", "--version"}
    others |= {"--tier", "--only", "--seeds", "--baseline", "--screenshot", "--hook-type"}
    known = set().union(*OPTIONS.values()) | others
    assert sorted(named - known) == []


def test_the_page_of_commands_has_every_command() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`tvae {name}" not in text] == []


def test_every_key_that_the_page_of_the_window_names_is_bound() -> None:
    text = (DOCS / "window.md").read_text(encoding="utf-8")
    code = "".join(path.read_text("utf-8") for path in (HOUSE / "tvae_gui").rglob("*.py"))
    named = set(re.findall(r"`((?:(?:Ctrl|Shift|Alt)\+)*[A-Z0-9]\d?)`", text)) - set("123456789")
    bound = {key for key in named if f'"{key}"' in code or f"Key_{key}" in code}
    assert len(named) > 15
    assert named - bound == set()


def test_every_page_is_in_the_index_of_the_site() -> None:
    site = (HOUSE / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS) for page in (*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md"))]
    assert [str(page) for page in pages if f": {page}" not in site] == []


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = dict(re.findall(r"^(\w+): (.+)$", (HOUSE / "CITATION.cff").read_text(), re.M))
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocstrings") is None, reason="needs `pip install '.[docs]'`"
)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        capture_output=True, text=True, cwd=HOUSE, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    assert all(f"tvae_core.{name}" in reference for name in ("fit", "open_store", "recommend"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a run of labelled images called `run`."""
    place = tmp_path_factory.mktemp("recipes")
    labels = np.array(["round", "long"])[np.arange(COUNT) % 2]
    np.savez(place / "set.npz", images=blob_images(COUNT, SIDE).numpy()[:, 0], labels=labels)
    settings: dict[str, Any] = TINY["model"] | TINY["train"] | TINY["embed"] | {"epochs": 1}
    tvae.fit(place / "set.npz", place / "run", preset="fast-cpu", **settings).store.close()
    return place


def _recipes() -> dict[str, str]:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.M)[1:]
    return {
        f"{part.splitlines()[0]} {number}": block
        for part in parts
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", part, re.S), 1)
    }


@pytest.mark.parametrize("recipe", _recipes())
def test_a_recipe_runs_as_it_is_printed(
    recipe: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = _recipes()[recipe]
    for package in re.findall(r"# needs: (\w+)", block):
        pytest.importorskip(package, reason=f"needs {package}")
    for method, package in (("to_dataframe", "pandas"), ("to_anndata", "anndata")):
        if method in block:
            pytest.importorskip(package, reason=f"needs {package}")
    monkeypatch.chdir(folder)
    exec(compile(block, recipe, "exec"), {})
    check = WRITTEN.get(recipe)
    if check is not None:
        check(folder)


def _napari(folder: Path) -> None:
    with Image.open(folder / "images.tif") as stack:
        assert (stack.n_frames, stack.size) == (COUNT, (SIDE, SIDE))
    with open(folder / "plane.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["index", "axis-0", "axis-1"]
    with tvae.open_store(folder / "run") as store:
        places = np.array(rows, dtype=float)[:, 1:]
        np.testing.assert_allclose(places[:, ::-1] * (1, -1), store.planes["pca"], atol=1e-6)


def _projector(folder: Path) -> None:
    place = folder / "projector"
    with tvae.open_store(folder / "run") as store:
        z = np.loadtxt(place / "tensors.tsv", delimiter="\t")
        np.testing.assert_allclose(z, store.z, atol=1e-6)
        thumbnails = store.file.thumbnails("upright", np.arange(COUNT))
    with open(place / "metadata.tsv", newline="") as file:
        assert sum(1 for _ in csv.reader(file, delimiter="\t")) == COUNT + 1  # and a head
    sprite = np.asarray(Image.open(place / "sprite.png"))
    row, column = divmod(7, 5)  # 24 thumbnails lie 5 by 5
    found = sprite[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
    np.testing.assert_array_equal(found, thumbnails[7])
    assert f"single_image_dim: {SIDE}" in (place / "projector_config.pbtxt").read_text()


WRITTEN = {
    "napari: the plane as points, the images as a stack 1": _napari,
    "TensorBoard's projector 1": _projector,
}


def test_the_recipes_that_are_checked_are_there() -> None:
    assert set(WRITTEN) <= set(_recipes())


def test_the_pictures_of_the_settings_are_those_of_their_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "tutorials"))
    runpy.run_path(str(DOCS / "draw_parameters.py"))["main"](tmp_path)
    for name in ("size", "contrast", "kernel"):
        drawn, kept = (
            np.asarray(Image.open(place / f"parameters-{name}.png"), dtype=float)
            for place in (tmp_path, DOCS)
        )
        assert np.abs(drawn[:, 150:] - kept[:, 150:]).mean() < 1  # words depend on the font


@pytest.mark.parametrize("name", TUTORIALS)
def test_what_a_tutorial_shows_is_what_its_script_runs(name: str) -> None:
    place = DOCS / "tutorials" / name
    script = "".join(place.with_suffix(".py").read_text(encoding="utf-8").split())
    page = place.with_suffix(".md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) + len(_commands(page)) >= 4
    assert [block for block in blocks if "".join(block.split()) not in script] == []


SHORTER = {"--epochs", "--encoder-kernels", "--generator-hidden", "--atlas-nodes", "--method"}


def _shape(words: list[str]) -> tuple[str, ...]:
    """Return a command and its options, but for those that make a test of a tutorial shorter."""
    return (words[0], *sorted({word for word in words if word.startswith("--")} - SHORTER))


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_and_makes_every_picture_of_its_page(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("pandas", reason="needs pandas")
    monkeypatch.syspath_prepend(str(DOCS / "tutorials"))
    script = runpy.run_path(str(DOCS / "tutorials" / f"{name}.py"))
    script["main"](tmp_path / "out", tmp_path / "pictures", None, True)
    page = (DOCS / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    ran = re.findall(r"^\$ tvae (.*)$", capsys.readouterr().out, re.M)
    assert [_shape(line.split()) for line in ran] == [
        _shape(words) for words in _commands(re.sub(r"`.*?`", "", page))
    ]
    links = _prose_links(page)
    wanted = {Path(link).name for link in links if link.startswith("pictures/")}
    made = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert wanted == made
    for picture in made:
        with Image.open(tmp_path / "pictures" / picture) as image:
            assert np.asarray(image).std() > 1  # something is drawn
