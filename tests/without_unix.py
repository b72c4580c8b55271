"""Runs pytest as if on a system without the calls that only Unix or Linux has.

    python tests/without_unix.py tests/core/test_store.py

The files under test are those of this system; what is hidden is what our code could ask for.
"""

import os
import sys

CALLS = (
    "pread",
    "preadv",
    "pwrite",
    "posix_fallocate",
    "sched_getaffinity",
    "sysconf",
    "O_DIRECTORY",
)
MODULES = ("fcntl", "resource", "imagecodecs")


def hide() -> None:
    """Hide the calls and modules, before anything of ours or of others looks for them."""
    for name in CALLS:
        if hasattr(os, name):
            delattr(os, name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]


if __name__ == "__main__":
    import psutil  # noqa: F401 - its Linux part needs what is hidden from ours
    import pytest

    hide()
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
