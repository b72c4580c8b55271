"""`main_window` holds the only wiring diagram between rooms: read from the syntax trees.

A room connects what is its own: Qt's signals of its children, the signals that its own files
declare, those of the shared widgets it is made of, and those of the jobs that it starts itself.
What the open store, the threads of the window or another room tell is connected in `main_window`.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PyQt6 import QtCore, QtWidgets

WINDOW = Path(__file__).resolve().parents[1] / "tvae_gui"
ROOMS = ("plane", "probe", "inspector", "gallery", "fields", "training", "frame", "cards")
# What all rooms of a window share: no room may connect it by itself.
SHARED = ("messages", "state.explorer_state", "jobs.decode_job", "jobs.picture_job",
          "jobs.background_job")  # fmt: skip


@cache
def sources() -> dict[str, str]:
    """The source of every module of the window, by its dotted name without the package's."""
    return {
        ".".join(path.relative_to(WINDOW).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(WINDOW.rglob("*.py"))
    }


def room_of(module: str) -> str:
    """The room of a module; a card is a room of its own."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "cards" else 1])


@cache
def declared(source: str) -> tuple[str, ...]:
    """The names of the signals that the classes of a source declare."""
    found: list[str] = []
    for holder in ast.walk(ast.parse(source)):
        for node in holder.body if isinstance(holder, ast.ClassDef) else ():
            if isinstance(node, ast.Assign | ast.AnnAssign) and _makes_a_signal(node.value):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found += [target.id for target in targets if isinstance(target, ast.Name)]
    return tuple(found)


def _makes_a_signal(value: ast.expr | None) -> bool:
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in ("pyqtSignal", "Signal")


@cache
def connected(source: str) -> tuple[tuple[int, str], ...]:
    """The line and the name of every signal that a source connects."""
    return tuple(
        (node.lineno, node.func.value.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "connect"
        and isinstance(node.func.value, ast.Attribute)
    )


@cache
def qts_own() -> frozenset[str]:
    """The names of the signals of Qt's own widgets, timers and models."""
    classes = [c for part in (QtCore, QtWidgets) for c in vars(part).values()]
    return frozenset(
        name
        for made in classes
        if isinstance(made, type)
        for name, value in vars(made).items()
        if isinstance(value, QtCore.pyqtSignal)
    )


def declarers(house: dict[str, str]) -> dict[str, set[str]]:
    """The modules that declare each signal."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, source in house.items():
        for name in declared(source):
            found[name].add(module)
    return found


def strangers(house: dict[str, str]) -> list[str]:
    """What rooms connect that is not their own, as `module:line signal`."""
    makers = declarers(house)
    return [
        f"{module}:{line} {name}"
        for module, source in house.items()
        if module.split(".")[0] in ROOMS
        for line, name in connected(source)
        if name in makers and name not in qts_own() and not _is_own(room_of(module), makers[name])
    ]


def _is_own(room: str, makers: set[str]) -> bool:
    """Whether a signal may be connected in a room: its own, a shared piece's, or Qt's."""
    mine = {m for m in makers if room_of(m) == room}
    pieces = {m for m in makers if room_of(m) in ("widgets", "state", "jobs")} - set(SHARED)
    return bool(mine or pieces)


def test_signals_between_rooms_are_connected_in_main_window_only() -> None:
    assert strangers(sources()) == []


def test_a_connection_across_rooms_is_found() -> None:
    house = sources()
    for wrong in (
        "self._context.state.store_changed.connect(self.forget)",
        "self._context.decoder.ready.connect(self.forget)",
        "gallery.export_wanted.connect(self.open)",
    ):
        made = house | {"plane.made_up": f"class P:\n    def f(self):\n        {wrong}\n"}
        assert len(strangers(made)) == 1, wrong


def test_every_signal_is_heard() -> None:
    house = sources()
    heard = {name for source in house.values() for _, name in connected(source)}
    heard |= set(_handed_on(house))
    unheard = {
        f"{module}.{name}"
        for module, source in house.items()
        for name in declared(source)
        if name not in heard
    }
    assert unheard == set()


def _handed_on(house: dict[str, str]) -> Iterator[str]:
    """The signals that a loop of the wiring connects: `for signal in (a.b, …): signal.connect`."""
    for source in house.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
                yield from (e.attr for e in node.iter.elts if isinstance(e, ast.Attribute))


def test_main_window_has_one_diagram() -> None:
    """Within `main_window` rooms are connected in `MainWindow._connect…` and nowhere else."""
    makers = declarers(sources())
    stray = [
        f"{module}:{function.lineno} {name}"
        for module, source in sources().items()
        if room_of(module) == "main_window"
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_connect")
        for _, name in connected(ast.unparse(function))
        if makers[name] and name not in qts_own()
    ]
    assert stray == []
