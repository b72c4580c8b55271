"""What it costs to import the program from Python: `python benchmarks/imports.py`.

CPU seconds of a fresh interpreter, the least of five, for each way to begin.
"""

from __future__ import annotations

import resource
import subprocess
import sys

STATEMENTS = (
    "pass",
    "import tvae_core as tvae",
    "import tvae_core as tvae; tvae.open_store('resources/example.h5').z",
    "import tvae_core as tvae; tvae.open_store('resources/example.h5').to_dataframe()",
    "import tvae_core as tvae; tvae.fit",
    "import tvae_core as tvae; tvae.TargetVAE",
)


def cpu_seconds(statement: str) -> float:
    """Return what an interpreter that runs `statement` spends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line a statement."""
    for statement in STATEMENTS:
        print(f"{min(cpu_seconds(statement) for _ in range(5)):.3f} CPU s  {statement}")


if __name__ == "__main__":
    main()
