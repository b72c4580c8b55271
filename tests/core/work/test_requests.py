"""Every kind of request says the command that makes the same request again."""

from __future__ import annotations

import importlib
import pkgutil
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tvae_core import work
from tvae_core.cli.main import main
from tvae_core.errors import ConfigError
from tvae_core.work.request import Request, RequestParser


def every_request() -> list[type[Request]]:
    """Every kind of request that a module of `tvae_core.work` declares."""
    for module in pkgutil.iter_modules(work.__path__):
        importlib.import_module(f"tvae_core.work.{module.name}")
    found, waiting = [], list(Request.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found += [kind] if hasattr(kind, "name") else []
    return sorted(found, key=lambda kind: kind.name)


# argparse of Python 3.11 takes a value "--" away wherever it stands
WORDS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "--")
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-10, 10**6),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.floats(0.01, 1),
    str: WORDS,
    Path: WORDS.map(Path).filter(lambda path: str(path) != "--"),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, its bounds not looked at."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN:
        return PLAIN[annotation]
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if part is type(None) else values(part) for part in parts))
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(values(parts[0]), max_size=3).map(tuple)
    raise TypeError(f"no values of {annotation}")


@st.composite
def requests(draw: st.DrawFn, kind: type[Request]) -> Request:
    """A request with some of its fields set, as many as make sense together."""
    request = kind(
        **{n: draw(values(f.annotation)) for n, f in kind.model_fields.items() if f.is_required()}
    )
    others = [n for n, f in kind.model_fields.items() if not f.is_required()]
    for name in draw(st.lists(st.sampled_from(others), unique=True)) if others else []:
        value = draw(values(kind.model_fields[name].annotation))
        try:
            request = kind(**(request.model_dump() | {name: value}))
        except ValidationError:
            continue  # out of bounds, or not together with what is set already
    return request


@pytest.mark.parametrize("kind", every_request(), ids=lambda kind: kind.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_command_of_a_request_makes_it_again(kind: type[Request], data: st.DataObject) -> None:
    request = data.draw(requests(kind))
    assert kind.parse(request.command()) == request


def test_every_piece_of_work_is_a_request() -> None:
    names = {kind.name for kind in every_request()}
    assert names >= {"export"}


@pytest.mark.parametrize("kind", every_request(), ids=lambda kind: kind.name)
def test_another_command_is_refused_in_one_line(kind: type[Request]) -> None:
    with pytest.raises(ConfigError, match="not the command"):
        kind.parse(["tvae", "fly"])
    with pytest.raises(ConfigError) as caught:
        kind.parse(["tvae", kind.name, "store", "--no-such-option"])
    assert "\n" not in str(caught.value)


def test_requests_import_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pkgutil, importlib; from tvae_core import work\n"
        "for m in pkgutil.iter_modules(work.__path__):\n"
        "    importlib.import_module(f'tvae_core.work.{m.name}')\n"
        "sys.exit(f'imported {heavy}' if (heavy := {'torch', 'escnn'} & set(sys.modules)) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "now"),
    [
        (["export", "run", "out.star", "--table", "moved.star"], "--images-at"),
        (["selftest", "run", "--data", "moved.star"], "--images-at"),
        (["detect", "run", "field.mrc", "--data", "moved.star"], "--images-at"),
    ],
)
def test_an_old_option_means_the_new_one_and_says_so(words: list[str], now: str) -> None:
    kind = {kind.name: kind for kind in every_request()}[words[0]]
    parser = RequestParser()
    kind.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    old = words[-2]
    assert arguments.old_names == [(old, now)]
    assert old not in parser.format_help()
    renamed = ["tvae", *(now if word == old else word for word in words)]
    assert kind.of(arguments) == kind.parse(renamed)


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "run", "out.csv", "--no-such-option"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "tvae export --help" in error
