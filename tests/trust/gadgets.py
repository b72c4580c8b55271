"""Pickles that run something when they are read: each makes a folder, in a way of its own."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

Gadget = Callable[[str], bytes]


def _text(value: str) -> bytes:
    """Return the words that push a text."""
    content = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def _global(name: str) -> bytes:
    """Return the words that push a function, by the old way of naming it."""
    module, _, function = name.rpartition(".")
    return pickle.GLOBAL + f"{module}\n{function}\n".encode()


def _stack_global(name: str) -> bytes:
    module, _, function = name.rpartition(".")
    return _text(module) + _text(function) + pickle.STACK_GLOBAL


def _called(function: bytes, *given: bytes) -> bytes:
    """Return the words that call a function (`__reduce__`)."""
    return function + pickle.MARK + b"".join(given) + pickle.TUPLE + pickle.REDUCE


def _whole(words: bytes, protocol: int = 2) -> bytes:
    return pickle.PROTO + bytes([protocol]) + words + pickle.STOP


def _command(folder: str) -> str:
    return f"import os; os.mkdir({folder!r})"


class _Reduced:
    """Is made anew by a call, as pickle asks of it."""

    def __init__(self, function: Callable[..., object], *given: object) -> None:
        self.made = function, given

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.made


def _mkdir(protocol: int) -> Gadget:
    return lambda folder: pickle.dumps(_Reduced(os.mkdir, folder), protocol)


def _of_a_state(folder: str) -> bytes:
    """Let an object whose state is set (`__setstate__`, BUILD) call what it was made of."""
    partial = _called(_global("functools.partial"), _global("builtins.list"))
    state = pickle.MARK + _global("os.mkdir") + pickle.MARK + _text(folder) + pickle.TUPLE
    state += pickle.EMPTY_DICT + pickle.NONE + pickle.TUPLE
    return _whole(_called(partial + state + pickle.BUILD))


def _of_getattr(folder: str) -> bytes:
    module = _called(_global("builtins.__import__"), _text("os"))
    return _whole(
        _called(_called(_global("builtins.getattr"), module, _text("mkdir")), _text(folder))
    )


def _remembered(folder: str) -> bytes:
    """Push the function, keep it in the memo, drop it, and take it up again."""
    kept = _global("os.mkdir") + pickle.BINPUT + b"\x07" + pickle.POP
    return _whole(kept + _called(pickle.BINGET + b"\x07", _text(folder)))


def _within(folder: str) -> bytes:
    """Unpickle a pickle that is the value of a harmless one."""
    inner = _mkdir(2)(folder)
    content = pickle.BINBYTES + struct.pack("<I", len(inner)) + inner
    return _whole(_called(_global("pickle.loads"), content), 3)


def _of_a_method(folder: str) -> bytes:
    """Call a method by its name."""
    call = _called(_global("operator.methodcaller"), _text("mkdir"))
    return _whole(_called(call, _called(_global("pathlib.Path"), _text(folder))), 4)


GADGETS: dict[str, Gadget] = {
    **{f"reduce, protocol {protocol}": _mkdir(protocol) for protocol in range(6)},
    "a global by its name": lambda folder: _whole(_called(_global("os.mkdir"), _text(folder))),
    "a global from the stack": lambda folder: _whole(
        _called(_stack_global("os.mkdir"), _text(folder)), 4
    ),
    "inst": lambda folder: _whole(pickle.MARK + _text(folder) + pickle.INST + b"os\nmkdir\n"),
    "obj": lambda folder: _whole(pickle.MARK + _global("os.mkdir") + _text(folder) + pickle.OBJ),
    "posix": lambda folder: _whole(_called(_global("posix.mkdir"), _text(folder))),
    "system": lambda folder: _whole(_called(_global("os.system"), _text(f"mkdir '{folder}'"))),
    "eval": lambda folder: _whole(
        _called(_global("builtins.eval"), _text(f"__import__('os').mkdir({folder!r})"))
    ),
    "exec": lambda folder: _whole(_called(_global("builtins.exec"), _text(_command(folder)))),
    "a process": lambda folder: _whole(
        _called(_global("subprocess.getoutput"), _text(f"mkdir '{folder}'"))
    ),
    "code": lambda folder: _whole(
        _called(_global("timeit.timeit"), _text("0"), _text(_command(folder)))
    ),
    "getattr": _of_getattr,
    "a state": _of_a_state,
    "the memo": _remembered,
    "a pickle within": _within,
    "a method": _of_a_method,
    "NumPy's own": lambda folder: _whole(
        _called(_global("numpy.testing.measure"), _text(_command(folder)))
    ),
    "the old name of builtins": lambda folder: _whole(
        _called(_global("__builtin__.exec"), _text(_command(folder)))
    ),
}


def works(name: str, folder: Path) -> bool:
    """Return whether a gadget makes its folder where a pickle is read: it is no mere noise."""
    target = folder / "made"
    pickle.loads(GADGETS[name](str(target)))
    there = target.is_dir()
    if there:
        target.rmdir()
    return there
