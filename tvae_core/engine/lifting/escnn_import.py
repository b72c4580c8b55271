"""Importing escnn without what it needs only for SO(3).

escnn imports `lie_learn` for rotations in space; its wheel does not load under numpy 2. The planar
groups never call it, so an empty stand-in takes its place where it is absent.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from typing import Any

from tvae_core.errors import DeviceError

_STAND_INS = (
    "lie_learn",
    "lie_learn.representations",
    "lie_learn.representations.SO3",
    "lie_learn.representations.SO3.wigner_d",
)


def escnn_is_installed() -> bool:
    """Return whether escnn and joblib, which it imports, are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("escnn", "joblib"))


def import_escnn() -> Any:
    """Return the module `escnn` with `gspaces` and `nn` loaded.

    Raises
    ------
    DeviceError
        escnn is not installed; nothing of ours needs it (`planar_basis`).
    """
    if not escnn_is_installed():
        raise DeviceError(
            "escnn is not installed",
            todo="pip install --no-deps escnn==1.0.11 && pip install joblib",
        )
    if "lie_learn" not in sys.modules and importlib.util.find_spec("lie_learn") is None:
        _put_stand_ins()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import escnn
        import escnn.gspaces
        import escnn.nn
    return escnn


def _put_stand_ins() -> None:
    modules = [types.ModuleType(name) for name in _STAND_INS]
    modules[-1].wigner_D_matrix = _no_so3  # type: ignore[attr-defined]
    sys.modules.update(zip(_STAND_INS, modules, strict=True))


def _no_so3(*_: Any, **__: Any) -> None:
    raise DeviceError("rotations in space need the package lie_learn", todo="pip install lie_learn")
