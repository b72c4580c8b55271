"""Python in five lines: what `import tvae_core as tvae` offers."""

from __future__ import annotations

import os


def let_threads_sleep() -> None:
    """Let threads that wait for each other sleep, as the command line does; before torch is loaded.

    Beside another busy process, threads that spin made a training many times slower
    (docs/performance.md). Somebody's own choice in the environment stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
