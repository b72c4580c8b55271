"""Looking at a store loads nothing heavy: scientific libraries come when first used."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "scipy", "sklearn", "umap", "matplotlib", "mrcfile", "tifffile", "PIL", "pyarrow")
MODULES = (
    "tvae_core.analysis.projection",
    "tvae_core.analysis.clustering",
    "tvae_core.analysis.metrics",
    "tvae_core.analysis.averages",
    "tvae_core.analysis.alignment",
    "tvae_core.analysis.support",
    "tvae_core.analysis.trajectory",
    "tvae_core.analysis.symmetry",
    "tvae_core.selection",
    "tvae_core.sidecar",
    "tvae_core.export.stacks",
    "tvae_core.export.tables",
    "tvae_core.export.movies",
    "tvae_core.figures",
)


def test_importing_everything_loads_no_heavy_library() -> None:
    code = f"import sys, {', '.join(MODULES)}; print(*set(sys.modules) & set({HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
