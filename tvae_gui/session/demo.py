"""The example that comes with the program."""

from __future__ import annotations

from pathlib import Path

from tvae_core.shipped import shipped


def demo_path() -> Path:
    """Return where the example is."""
    return shipped("example.h5")


def why_no_demo() -> str:
    """Return why there is no example; empty when there is one."""
    return "" if demo_path().exists() else "Create the example with `tvae demo --rebuild`"
