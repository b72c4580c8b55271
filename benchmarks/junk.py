"""Does the junk score find junk: the table of docs/results/junk.md.

    python benchmarks/junk.py STORE TRUTH [STORE TRUTH ...]

STORE is a run on a set that `tvae synth hinge --junk SHARE` wrote, TRUTH its truth.csv. Prints a
row of each: recall at a precision of .99, all and by kind, of the junk score and of what was there
before it (entropy of q(t, r), reconstruction error), and what the thresholds 5 and 6 give.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvae_core.store import EmbeddingStore
from tvae_core.synthetic.junk import KINDS
from tvae_core.synthetic.write import read_truth

PRECISION = 0.99
THRESHOLDS = (5.0, 6.0)
RIVALS = {
    "junk score": "quality/junk",
    "entropy of q(t, r)": "posterior/entropy",
    "reconstruction error": "quality/reconstruction_error",
}


def at_precision(score: NDArray[np.floating], junk: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which images (N,) stand above the lowest threshold whose precision is high enough."""
    order = np.argsort(-score, kind="stable")
    precision = np.cumsum(junk[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= PRECISION)
    chosen = np.zeros(len(score), dtype=bool)
    chosen[order[: good[-1] + 1 if len(good) else 0]] = True
    return chosen


def recalls(chosen: NDArray[np.bool_], kind: NDArray[np.integer]) -> str:
    """Return the recall of all junk and of each kind, as cells of a table."""
    parts = [kind > 0, *(kind == number for number in range(1, len(KINDS)))]
    return " | ".join(f"{chosen[part].mean():.3f}" for part in parts)


def main(stores: list[str], truths: list[str]) -> None:
    """Print the rows."""
    print("| set | score | threshold | precision | recall | " + " | ".join(KINDS[1:]) + " |")
    print("|---" * (5 + len(KINDS) - 1) + "|")
    for path, truth in zip(stores, truths, strict=True):
        with EmbeddingStore(path) as store:
            columns = {name: store.column(key) for name, key in RIVALS.items()}
            index = store.column("source/index")
        kind = read_truth(Path(truth))["junk"].astype(int)[index]
        for name, score in columns.items():
            rows = {"at precision .99": at_precision(score, kind > 0)}
            if name == "junk score":
                rows |= {f"{t:g}": score > t for t in THRESHOLDS}
            for words, chosen in rows.items():
                precision = (kind[chosen] > 0).mean() if chosen.any() else float("nan")
                cells = f"{precision:.3f} | {recalls(chosen, kind)}"
                print(f"| {Path(path).name} | {name} | {words} | {cells} |")


if __name__ == "__main__":
    main(sys.argv[1::2], sys.argv[2::2])
