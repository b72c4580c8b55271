"""Every benchmark can still be started: what it imports is there, and it says how it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
_LOAD_ALL = """
import importlib, sys, traceback
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, type(error).__name__, error)
"""


def test_every_benchmark_loads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD_ALL, str(BENCHMARKS), *NAMES],
        capture_output=True,
        text=True,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg"},
        check=False,
    )
    assert done.stdout == "", done.stdout
    assert done.returncode == 0, done.stderr
