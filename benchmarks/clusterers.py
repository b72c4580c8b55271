"""Which clusterer finds the classes people mean: the table of docs/results/clusterers.md.

    python benchmarks/clusterers.py --data FOLDER --stores FOLDER [--only SET ...] [--out FILE]

Stores are trained once, one to five CPU minutes each, and kept; so are the figures. No clusterer
sees a label: labels count the clusters asked for, and judge. A clusterer is (where, how): a space
made of z, and a method in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from clusterers_plan import SETS, LabelledSet
from numpy.typing import NDArray
from scipy.spatial import KDTree

from tvae_core.analysis.cluster_count import proposed
from tvae_core.analysis.cluster_space import active_dimensions, parted
from tvae_core.analysis.clustering import cluster
from tvae_core.analysis.metrics import clustering_accuracy
from tvae_core.files import write_text
from tvae_core.store import EmbeddingStore
from tvae_core.synthetic.write import read_truth

Array = NDArray[Any]
_NEIGHBOURS = 15
_UMAP_NEIGHBOURS = (10, 15, 30)
_BEGIN, _END = "<!-- table -->", "<!-- end of the table -->"


def trained(one: LabelledSet, data: Path, stores: Path) -> Path:
    """Return the run of a set, made and trained where it is not yet."""
    run, images = stores / one.name, stores / "images" / one.name
    if not (run / "embeddings.h5").exists():
        words = ["--resume"]
        if not (run / "config.json").exists():
            words = ["--data", str(one.make(data, images, one.images)), *one.words]
        subprocess.run([sys.executable, "-m", "tvae_core.cli.main", "train", str(run), *words],
                       check=True)  # fmt: skip
    return run


def labels_of(store: EmbeddingStore, images: Path) -> NDArray[np.int64]:
    """Return the true class of each image of a store, (N,)."""
    truth = read_truth(images / "truth.csv")
    return np.asarray(truth["label"], np.int64)[store.column("source/index")]


def spaces(z: Array, std: Array, seed: int) -> dict[str, Callable[[], Array]]:
    """Return what makes each space of the contents of a store, mean and deviation (N, D)."""
    used = active_dimensions(std)
    return {
        "z": lambda: z,
        "active z": lambda: z[:, used],
        "active z and spread": lambda: np.concatenate([z[:, used], std[:, used]], 1),
        "averaged": lambda: averaged(z[:, used]),
        **{
            f"UMAP of {n}": lambda n=n: parted(z[:, used], seed=seed, neighbours=n)
            for n in _UMAP_NEIGHBOURS
        },
    }


def averaged(z: Array, turns: int = 3) -> Array:
    """Return latents (N, D) each moved to the mean of its neighbours, a few times."""
    for _ in range(turns):
        z = z[KDTree(z).query(z, _NEIGHBOURS)[1]].mean(1)
    return z


def density_peaks(values: Array, count: int, _: int) -> NDArray[np.integer]:
    """Return labels (N,) by density peaks: centres are dense and far from what is denser.

    Rodriguez and Laio, Science 344 (2014). Density is that of the 15th neighbour's distance.
    """
    from scipy.spatial.distance import cdist

    gap = KDTree(values).query(values, _NEIGHBOURS + 1)[0][:, -1]
    order = np.argsort(gap, kind="stable")
    ranked = values[order]
    parent, apart = np.zeros(len(order), int), np.zeros(len(order))
    for i in range(1, len(order)):
        to = cdist(ranked[i : i + 1], ranked[:i])[0]
        parent[i], apart[i] = to.argmin(), to.min()
    apart[0] = apart.max()
    centres = np.argsort(-apart / np.maximum(gap[order], 1e-12), kind="stable")[:count]
    if 0 not in centres:
        centres[-1] = 0
    found = np.full(len(order), -1)
    found[centres] = np.arange(count)
    for i in range(1, len(order)):
        found[i] = found[parent[i]] if found[i] < 0 else found[i]
    labels = np.empty_like(found)
    labels[order] = found
    return labels


def consistent(values: Array, count: int, seed: int) -> NDArray[np.integer]:
    """Return labels (N,) of a head that gives neighbours the same class (SCAN, Gansbeke 2020).

    Two layers of 64 units; maximises the dot product of the class probabilities of an image and one
    of its 15 neighbours, and five times the entropy of the mean.
    """
    import torch

    torch.manual_seed(seed)
    white = torch.tensor((values - values.mean(0)) / values.std(0), dtype=torch.float32)
    near = torch.tensor(KDTree(white.numpy()).query(white.numpy(), _NEIGHBOURS + 1)[1][:, 1:])
    head = torch.nn.Sequential(
        torch.nn.Linear(white.shape[1], 64), torch.nn.SiLU(), torch.nn.Linear(64, 64),
        torch.nn.SiLU(), torch.nn.Linear(64, count),
    )  # fmt: skip
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    for _ in range(1500):
        some = torch.randint(len(white), (512,))
        other = near[some, torch.randint(_NEIGHBOURS, (512,))]
        p, q = head(white[some]).softmax(1), head(white[other]).softmax(1)
        mean = p.mean(0)
        loss = -(p * q).sum(1).clamp_min(1e-8).log().mean() + 5 * (mean * mean.log()).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return np.asarray(head(white).argmax(1).numpy())


HOW: dict[str, Callable[[Array, int, int], NDArray[np.integer]]] = {
    "Ward": lambda v, n, s: cluster("ward", v, n, s).labels,
    "k-means": lambda v, n, s: cluster("k-means", v, n, s).labels,
    "GMM": lambda v, n, s: cluster("gaussian-mixture", v, n, s).labels,
    "HDBSCAN": lambda v, n, s: cluster("hdbscan", v, n, s).labels,
    "density peaks": density_peaks,
    "SCAN head": consistent,
}


def compared(z: Array, std: Array, truth: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Return accuracy and CPU seconds by space and method, and what labels would give.

    z, std (N, D) of q(z) of the images that have a class, truth (N,).
    """
    count, used = len(np.unique(truth)), active_dimensions(std)
    figures: dict[str, Any] = {
        "images": len(truth), "classes": count, "z": z.shape[1], "active": int(used.sum()),
        "largest": float(np.bincount(truth).max() / len(truth)), "vote": vote(z[:, used], truth),
    }  # fmt: skip
    rows = figures["rows"] = []
    for where, make in spaces(z, std, seed).items():
        start = time.process_time()
        values = np.asarray(make(), np.float64)
        made = time.process_time() - start
        if where == "UMAP of 15":
            figures["proposed"] = proposed(values, z[:, used], seed).count
        for how, method in HOW.items():
            if how == "SCAN head" and where != "active z":
                continue
            start = time.process_time()
            accuracy = clustering_accuracy(truth, np.asarray(method(values, count, seed)))
            spent = time.process_time() - start + made
            rows.append({"where": where, "how": how, "accuracy": accuracy, "cpu_s": spent})
    return figures


def vote(z: Array, truth: NDArray[np.int64]) -> float:
    """Return how often the 15 nearest other images have an image's class for most: with labels."""
    near = KDTree(z).query(z, _NEIGHBOURS + 1)[1][:, 1:]
    votes = np.apply_along_axis(np.bincount, 1, truth[near], minlength=truth.max() + 1)
    return float(np.mean(votes.argmax(1) == truth))


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of the table: a column a set, a row a clusterer, the best of each bold."""
    names = list(found)
    rows = list(dict.fromkeys((r["where"], r["how"]) for f in found.values() for r in f["rows"]))
    values = {
        (name, (r["where"], r["how"])): r["accuracy"] for name in names for r in found[name]["rows"]
    }
    best = {name: max(v for (n, _), v in values.items() if n == name) for name in names}
    lines = ["| where | how | " + " | ".join(names) + " | mean |", "|---" * (len(names) + 3) + "|"]
    for row in rows:
        mine = [values.get((name, row), float("nan")) for name in names]
        cells = [
            "" if np.isnan(v) else f"**{v:.3f}**" if v == best[name] else f"{v:.3f}"
            for name, v in zip(names, mine, strict=True)
        ]
        mean = "" if np.isnan(mine).any() else f"{np.mean(mine):.3f}"
        lines.append(f"| {row[0]} | {row[1]} | " + " | ".join(cells) + f" | {mean} |")
    for words, key, form in (
        ("vote of 15 neighbours, with labels", "vote", ".3f"),
        ("largest class", "largest", ".3f"),
        ("images", "images", ","),
        ("dimensions of z that are used", "active", ""),
        ("classes", "classes", ""),
        ("number proposed", "proposed", ""),
    ):
        cells = [format(f[key], form) for f in found.values()]
        lines.append(f"| {words} | | " + " | ".join(cells) + " | |")
    return lines


def figures_of(name: str, data: Path, stores: Path) -> dict[str, Any]:
    """Return the figures of a set, made where they are not kept yet."""
    kept = stores / f"{name}.json"
    if not kept.exists():
        with EmbeddingStore(trained(SETS[name], data, stores)) as store:
            truth = labels_of(store, stores / "images" / name)
            some = truth >= 0
            std = store.column("content/std")[some]
            write_text(kept, json.dumps(compared(store.z_mean[some], std, truth[some], 0)))
    figures: dict[str, Any] = json.loads(kept.read_text())
    return figures


def main() -> None:
    """Train, compare, and print or write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stores", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--train", action="store_true", help="train and compare nothing")
    parser.add_argument("--out", type=Path, help="the page whose table is replaced")
    given = parser.parse_args()
    if given.train:
        for name in given.only:
            trained(SETS[name], given.data, given.stores)
        return
    lines = table({name: figures_of(name, given.data, given.stores) for name in given.only})
    lines += ["", *(f"* {name}: {SETS[name].about}" for name in given.only)]
    if given.out is None:
        print("\n".join(lines))
        return
    head, _, rest = given.out.read_text().partition(_BEGIN)
    tail = rest.partition(_END)[2]
    write_text(given.out, head + _BEGIN + "\n" + "\n".join(lines) + "\n" + _END + tail)


if __name__ == "__main__":
    main()
