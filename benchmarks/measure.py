"""What the speed benchmarks share: a child process a row, the machine's peak, and the table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]


def gemm_peak(size: int = 2048) -> float:
    """Return the float32 multiply-adds a second of a large matrix product, best of five."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = min(seconds_of(lambda: a @ b, 5))
    return size**3 / best


def seconds_of(work: Callable[[], Any], repeats: int, warm: int = 1) -> list[float]:
    """Return the seconds of `repeats` calls after `warm` calls that are not counted."""
    times = []
    for number in range(warm + repeats):
        began = time.perf_counter()
        work()
        if number >= warm:
            times.append(time.perf_counter() - began)
    return times


def peak_megabytes() -> float:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row_of_child(script: str, arguments: dict[str, Any]) -> Row:
    """Run `script --child JSON` in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, script, "--child", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rows_of(
    script: str, what: str, asked: list[tuple[str, int]], given: argparse.Namespace
) -> list[Row]:
    """Return a row for each (variant, batch), each measured by a child of `script`."""
    rows = []
    for variant, batch in asked:
        arguments = {
            "what": what, "variant": variant, "batch": batch,
            "threads": given.threads, "repeats": given.repeats,
        }  # fmt: skip
        rows.append(row_of_child(script, arguments))
        print(f"  {what}, {variant}: {rows[-1]['ms']:.1f} ms", file=sys.stderr, flush=True)
    return rows


def child_arguments() -> dict[str, Any] | None:
    """Return what the parent asks of this process, None in the parent."""
    if "--child" not in sys.argv:
        return None
    return dict(json.loads(sys.argv[sys.argv.index("--child") + 1]))


def report(arguments: dict[str, Any], seconds: list[float], images: int, adds: float) -> None:
    """Print a child's row: seconds and multiply-adds an image, memory, share of the peak."""
    each = np.array(seconds) / images
    middle = float(np.median(each))
    row = arguments | {
        "ms": 1e3 * middle,
        "low": 1e3 * float(each.min()),
        "high": 1e3 * float(each.max()),
        "megabytes": peak_megabytes(),
        "adds": adds,
        "share": adds / middle / gemm_peak(),
    }
    print(json.dumps(row))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all speed benchmarks have."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--baseline", action="store_true", help="also the plain implementation")
    return made


def machine(threads: int) -> str:
    """Return one line that says what was measured on."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in about if line.startswith("model name")]
    cpu = names[0] if names else platform.machine()
    torch.set_num_threads(threads)
    peak = 2e-9 * gemm_peak()
    load = os.getloadavg()[0]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return (
        f"{cpu}, {threads} threads, {peak:.0f} GFLOP/s in float32 products, load {load:.1f}, "
        f"torch {torch.__version__}, commit {commit.stdout.strip()}"
    )


def print_table(rows: list[Row], baseline: str) -> None:
    """Print rows with what each gains over the row of the same group called `baseline`."""
    print(
        "| what | variant | batch | ms an image | spread | images/s | peak MB | GMAC an image | "
        "of the peak | times faster |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        plain = next(
            (r for r in rows if r["what"] == row["what"] and r["variant"] == baseline), None
        )
        gain = "" if plain is None else f"{plain['ms'] / row['ms']:.1f}"
        cells = (
            row["what"], row["variant"], str(row["batch"]), f"{row['ms']:.1f}",
            f"{row['low']:.1f} to {row['high']:.1f}", f"{1e3 / row['ms']:.1f}",
            f"{row['megabytes']:,.0f}", f"{row['adds'] / 1e9:.2f}", f"{100 * row['share']:.0f} %",
            gain,
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


def counted(work: Callable[[], Any], images: int) -> float:
    """Return the multiply-adds an image of all products and convolutions in `work`."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 2 / images
