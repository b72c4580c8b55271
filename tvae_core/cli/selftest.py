"""`tvae selftest RUN`: can this run's poses be trusted?

A sample of the run's own images is rotated and shifted by known amounts and encoded again.
"""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import progress, tell
from tvae_core.work.poses import SelfTestRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae selftest`."""
    parser.description = __doc__
    SelfTestRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Test and report; the exit status tells that the test was made, not how it came out."""
    request = SelfTestRequest.of(arguments)
    with progress(arguments) as told:
        report = request.run(told, arguments.cancelled)
    symmetries = ", ".join(f"{name} {count}" for name, count in report.symmetries.items())
    tell(
        arguments,
        report.as_dict(),
        *report.words(),
        "",
        _aligned(report.table()),
        "",
        f"{report.images} images, {report.seconds:.0f} s. Symmetry of the objects: {symmetries}.",
        *([str(request.report)] if request.report else []),
    )
    return 0


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return "\n".join(lines)
