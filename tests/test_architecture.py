"""The floors of the house, read from the syntax tree of every module.

A module is covered because it exists. Only the rooms that may break a rule are named, so a module
added tomorrow is held to the rules without a word in any list.
"""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[1]
PACKAGES = ("tvae_core", "tvae_gui")
PICTURE = HOUSE / "docs" / "house.svg"
DYNAMIC = ("import_module", "__import__", "find_spec")


@dataclass(frozen=True)
class Rule:
    """Who may import a library: the rooms in `within`, but for those in `outside`."""

    name: str
    libraries: frozenset[str]
    within: str
    outside: str | None = None

    def allows(self, module: str) -> bool:
        return _in_room(module, self.within) and not _in_room(module, self.outside)


TORCH = Rule(
    "torch lives in tvae_core.engine",
    frozenset({"torch", "torchvision", "escnn", "safetensors"}),
    within="tvae_core.engine",
)
QT = Rule(
    "Qt lives in tvae_gui, outside tvae_gui.state",
    frozenset({"PyQt6", "PyQt5", "PySide6", "PySide2", "qtpy", "pyqtgraph"}),
    within="tvae_gui",
    outside="tvae_gui.state",
)
RULES = (TORCH, QT)


def _in_room(module: str, room: str | None) -> bool:
    return room is not None and (module == room or module.startswith(f"{room}."))


def modules(house: Path = HOUSE) -> dict[str, Path]:
    """Every module of both packages, by its dotted name."""
    paths = [path for package in PACKAGES for path in sorted((house / package).rglob("*.py"))]
    return {_dotted(path.relative_to(house)): path for path in paths}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports_of(path: Path) -> list[tuple[int, str]]:
    """Each absolute import of a module: its line and its dotted name."""
    return list(imported(path.read_text(encoding="utf-8")))


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Each absolute import in a source, wherever it stands: its line and its dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and _called(node) in DYNAMIC and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def broken(rule: Rule, house: Path = HOUSE) -> list[str]:
    """Where a rule is broken, one line each."""
    return [
        f"{path.relative_to(house)}:{line} imports {name}"
        for module, path in modules(house).items()
        if not rule.allows(module)
        for line, name in imports_of(path)
        if name.partition(".")[0] in rule.libraries
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_library_stays_in_its_room(rule: Rule) -> None:
    assert broken(rule) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_room_of_a_library_uses_it(rule: Rule) -> None:
    """A room that has moved away takes its exception with it."""
    house = modules()
    names = (
        name.partition(".")[0]
        for module in house
        if rule.allows(module)
        for _, name in imports_of(house[module])
    )
    assert rule.libraries.intersection(names)
    assert rule.outside is None or rule.outside in house


@pytest.mark.parametrize(
    "statement",
    [
        "import torch",
        "import torch.nn.functional as F",
        "from torch import nn",
        "def late():\n    import torch",
        "if TYPE_CHECKING:\n    from safetensors import safe_open",
        "import importlib\nimportlib.import_module('escnn.nn')",
        "torch = __import__('torch')",
    ],
)
def test_a_torch_import_in_any_module_is_found(tmp_path: Path, statement: str) -> None:
    for module, path in modules().items():
        if not TORCH.allows(module):
            copy = tmp_path / path.relative_to(HOUSE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(f"{statement}\n", encoding="utf-8")
    new = tmp_path / "tvae_core" / "made_yesterday.py"
    new.write_text(f"{statement}\n", encoding="utf-8")
    assert len(broken(TORCH, tmp_path)) == sum(not TORCH.allows(name) for name in modules()) + 1


def test_a_qt_import_in_the_core_or_the_state_is_found(tmp_path: Path) -> None:
    for place in ("tvae_core/new.py", "tvae_gui/state/new.py", "tvae_gui/plane/new.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("from PyQt6.QtCore import QObject\n", encoding="utf-8")
    assert broken(QT, tmp_path) == [
        "tvae_core/new.py:1 imports PyQt6.QtCore",
        "tvae_gui/state/new.py:1 imports PyQt6.QtCore",
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_importing_everything_else_does_not_load_the_library(rule: Rule) -> None:
    """Syntax trees do not show what a library drags in; an interpreter does."""
    others = [module for module in modules() if not rule.allows(module)]
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
        "    loaded = set(sys.argv[1].split(',')) & set(sys.modules)\n"
        "    assert not loaded, f'{name} loads {loaded}'\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, ",".join(sorted(rule.libraries)), *others],
        capture_output=True,
        text=True,
        cwd=HOUSE,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]


def test_every_module_stands_on_a_floor() -> None:
    """import-linter leaves a module alone that its list of floors does not name."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    named = {
        f"{container}.{name.strip(' ()')}".lstrip(".")
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", [""])
        for floor in contract["layers"]
        for name in floor.split("|")
    }
    rooms = {".".join(module.split(".")[:2]) for module in modules() if "." in module}
    assert rooms - named == set()


IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "pyqt6": "PyQt6",
    "pillow": "PIL",
    "umap-learn": "umap",
}


def test_what_is_declared_is_imported() -> None:
    """A dependency that nothing imports is downloaded by everybody for nothing."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {
        re.split(r"[<>=~!\[; ]", line)[0].lower() for line in project["project"]["dependencies"]
    }
    used = {name.partition(".")[0] for path in modules().values() for _, name in imports_of(path)}
    assert {name for name in declared if IMPORTED_AS.get(name, name) not in used} == set()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "README.md"])
def test_a_file_that_a_page_names_is_there(page: str) -> None:
    text = (HOUSE / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tvae_core|tvae_gui|docs|resources|tests|benchmarks)/[\w./-]+)`", text)
    assert [name for name in named if not (HOUSE / name).exists()] == []


def test_the_picture_of_the_house_shows_every_room() -> None:
    """`make picture` draws it again."""
    shown = re.findall(r'font-weight="bold" font-size="11">([^<]+)<', PICTURE.read_text())
    rooms = {
        ".".join(module.split(".")[1:3])
        for module in modules()
        if module.startswith(("tvae_core.engine.", "tvae_gui.cards."))
    }
    rooms |= {module.split(".")[1] for module in modules() if "." in module}
    wanted = {room.removeprefix("engine.") for room in rooms} - {"engine", "cards"}
    assert wanted == set(shown)


def _lines(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_and_no_file_is_long() -> None:
    """A function that passes 60 lines is two, a file that passes 500 lines is two."""
    long = []
    for module, path in modules().items():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 500:
            long.append(module)
        functions = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
        long += [f"{module}.{node.name}" for node in functions if _lines(node) > 60]
    assert long == []
