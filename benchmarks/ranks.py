"""Two ranks against one process: loss, speed, store, a rank killed 20 times, resume 2 -> 1 -> 2.

    python benchmarks/ranks.py [--kills 20] [--scratch FOLDER] [--part loss|store|resumed|kills]

writes docs/results/ranks.md of parts that are measured once and kept in the scratch folder. Needs
no GPU: the ranks are gloo processes of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "ranks.md"
TVAE = [sys.executable, "-m", "tvae_core.cli.main"]
AGENT = [sys.executable, "-m", "tvae_core.engine.together.agent", "--standalone"]
STEPS, BATCH, IMAGES, SIDE = 50, 16, 150, 24
KINDS = {
    "Adam": ["train.optimizer=adam"],
    "Muon": ["train.optimizer=muon", "train.matrix_rate=0.02"],
}
MODEL = ["model.encoder_kernels=16", "model.generator_hidden=64", "model.fourier_features=64"]


def write_images(path: Path) -> None:
    """Write turned and shifted digits."""
    words = ["synth", "digits-u", str(path), "--count", str(IMAGES)]
    subprocess.run([*TVAE, *words, "--quiet"], check=True)


def steps(images: str, kind: str, threads: int) -> None:
    """Take 50 steps as one rank of those there are; rank 0 prints losses and seconds a step."""
    import torch

    from tvae_core.engine.data import CachedImages, batch_of, epoch_batches
    from tvae_core.engine.together.ranks import joined
    from tvae_core.engine.training.step import SharedStep, micro_batch_size, train_step
    from tvae_core.engine.training.trainer_state import TrainerState, initial_model
    from tvae_core.images.prepared import open_prepared
    from tvae_core.presets import load_preset

    torch.set_num_threads(threads)
    config = load_preset("fast-cpu").changed(
        [f"data.path={images}", f"train.batch_size={BATCH}", *MODEL, *KINDS[kind]]
    )
    with joined() as ranks, open_prepared(config.data) as opened:
        seen = CachedImages(opened)
        device = torch.device("cpu")
        model = initial_model(config, seen, None, device)
        state = TrainerState(model, config, len(seen))
        model.encoder.same_lifting(ranks, trained=True)
        shared, micro = SharedStep(model, config, ranks), micro_batch_size(model, config, device)
        batches = [b for e in range(6) for b in epoch_batches(np.arange(len(seen)), BATCH, 0, e)]
        losses, wall, cpu = [], [], []
        for whole in batches[:STEPS]:
            began, spent = time.perf_counter(), time.process_time()
            figures = train_step(
                model, state.optimizer, batch_of(seen, shared.share(whole)), config,
                state.schedule(), state.step, micro, lambda: None, shared=(shared, len(whole)),
            )  # fmt: skip
            state.after_step(figures, len(whole))
            losses.append(figures.elbo / len(whole))
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - spent)
        ranks.check_agree(model)
        told = torch.tensor([float(np.sum(cpu))], dtype=torch.float64)
        all_cpu = float(ranks.summed(told)) / STEPS
    if ranks.is_first:
        found = {"losses": losses, "wall": float(np.median(wall)), "cpu": all_cpu}
        sys.stdout.write(json.dumps(found) + "\n")


def measured(images: Path, kind: str, ranks: int, threads: int) -> dict[str, Any]:
    """Return what `steps` prints for so many ranks of so many threads."""
    own = [str(Path(__file__)), "--steps", str(images), kind, str(threads)]
    command = [sys.executable, *own]
    if ranks > 1:
        command = [*AGENT, "--nproc-per-node", str(ranks), *own]
    passive = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # as `tvae` has it
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=passive)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return found


def same_arrays(one: Path, other: Path) -> tuple[int, int]:
    """Return how many arrays two stores have, and how many differ in a bit."""
    names: list[str] = []
    with h5py.File(one) as a, h5py.File(other) as b:
        a.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
        return len(names), sum(bits(a[name][()]) != bits(b[name][()]) for name in names)


def bits(values: Any) -> Any:
    """Return the bits of an array, or its texts."""
    return list(values.flat) if values.dtype == object else values.tobytes()


def tvae(*words: object) -> float:
    """Run a command and return its seconds."""
    began = time.perf_counter()
    subprocess.run([*TVAE, *map(str, words), "--quiet"], check=True)
    return time.perf_counter() - began


@contextmanager
def training(run: Path, *words: object) -> Iterator[tuple[subprocess.Popen[str], dict[int, Any]]]:
    """Train with two ranks until an epoch is done; give the command and its ranks."""
    command = [*TVAE, "train", str(run), *map(str, words), "--devices", "2", "--json"]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        for line in parent.stdout:
            if line.startswith('{"kind": "epoch"'):
                break
        found = psutil.Process(parent.pid).children(recursive=True)
        yield parent, {int(p.environ()["RANK"]): p for p in found if "RANK" in p.environ()}
    finally:
        parent.kill()
        parent.communicate()


def killed(run: Path, rank: int, *words: object) -> dict[str, Any]:
    """Kill a rank while it trains; return how the rest ended."""
    with training(run, *words) as (parent, ranks):
        began = time.monotonic()
        ranks[rank].kill()
        psutil.wait_procs([ranks[1 - rank]], timeout=60)
        other = time.monotonic() - began
        _, errors = parent.communicate(timeout=90)
        seconds = time.monotonic() - began
    return {
        "rank": rank,
        "other_s": other,
        "command_s": seconds,
        "status": parent.returncode,
        "named": f"rank {rank} " in errors and errors.count("\n") == 1,
        "gone": not ranks[1 - rank].is_running(),
    }


def epochs_of(run: Path) -> list[float]:
    """Return the ELBO of each epoch of a run."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["elbo"] for line in lines]


def resumed(scratch: Path, images: Path) -> tuple[list[float], list[float]]:
    """Return the epochs of a run by 2, then 1, then 2 ranks, and of one by one process."""
    settings = ["--data", images, "--preset", "fast-cpu", *sets(), "--anyway", "--no-embed"]
    for name, devices in (("changing", 2), ("alone", 1)):
        tvae("train", scratch / name, *settings, "--set", "train.epochs=2", "--devices", devices)
    for devices, epochs in ((1, 4), (2, 6)):
        more = ["--resume", "--no-embed", "--epochs", epochs]
        tvae("train", scratch / "changing", *more, "--devices", devices)
        tvae("train", scratch / "alone", *more)
    return epochs_of(scratch / "changing"), epochs_of(scratch / "alone")


def sets() -> list[str]:
    """Return the settings of a small model as options."""
    small = [*MODEL, f"train.batch_size={BATCH}", "train.threads=1", "train.schedule=plateau"]
    return [word for setting in small for word in ("--set", setting)]


def loss_in_words(scratch: Path, images: Path, _: int) -> list[str]:
    """Compare loss and time of 50 steps; return the table."""
    lines = [
        "\n## Loss and speed\n",
        f"{STEPS} steps of {BATCH} images of {SIDE} px, fast-cpu with 16 kernels.\n",
        "| optimiser | largest relative difference of the loss | s a step, 1 process | 2 ranks |"
        " 1 process, 2 threads | CPU s a step, 1 process | 2 ranks | load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    more = []
    for kind in KINDS:
        one, two = measured(images, kind, 1, 1), measured(images, kind, 2, 1)
        threads = measured(images, kind, 1, 2)
        off = np.abs(np.array(two["losses"]) / np.array(one["losses"]) - 1).max()
        lines.append(
            f"| {kind} | {off:.1e} | {one['wall']:.3f} | {two['wall']:.3f} | {threads['wall']:.3f}"
            f" | {one['cpu']:.3f} | {two['cpu']:.3f} | {os.getloadavg()[0]:.1f} |"
        )
        print(lines[-1], flush=True)
        more.append(two["cpu"] / one["cpu"])
    low, high = min(more), max(more)
    lines.append(
        "\nWhere other work shares the cores, a wall time says nothing of a quiet machine: two "
        f"processes get two shares of it. Two ranks take {low:.2f} to {high:.2f} times the CPU time"
        f" of one process, so on two free cores they are at most {2 / high:.1f} to {2 / low:.1f} "
        "times as fast at steps as small as these."
    )
    return lines


def store_in_words(scratch: Path, images: Path, _: int) -> list[str]:
    """Compare the store of two ranks with that of one process, bit by bit."""
    run = scratch / "run"
    tvae(
        "train", run, "--data", images, "--preset", "fast-cpu", *sets(), "--anyway",
        "--set", "train.epochs=1", "--devices", 2,
    )  # fmt: skip
    tvae("embed", run, "-o", scratch / "alone.h5")
    count, differ = same_arrays(run / "embeddings.h5", scratch / "alone.h5")
    said = f"Of {count} arrays of the store that two ranks wrote, {differ} have another bit than "
    return ["\n## Store\n", f"{said}those that one process writes of the same model."]


def resumed_in_words(scratch: Path, images: Path, _: int) -> list[str]:
    """Resume a run on other numbers of ranks; return how it compares."""
    changing, alone = resumed(scratch, images)
    off = np.abs(np.array(changing) / np.array(alone) - 1).max()
    said = f"{len(changing)} epochs, two by each: the ELBO of an epoch is at most {off:.1e} "
    end = "(relative) from that of a run by one process, stopped and resumed at the same epochs."
    return ["\n## Resumed on 2, 1 and 2 ranks\n", said + end]


def kills_in_words(scratch: Path, images: Path, kills: int) -> list[str]:
    """Kill a rank until it was done so many times, each time of the same run resumed.

    Each is kept in kills.jsonl at once, so that several of these can work side by side.
    """
    kept = scratch.parent / "kills.jsonl"
    run = scratch / f"killed-{os.getpid()}"
    settings = ["--data", images, "--preset", "fast-cpu", *sets(), "--anyway"]
    for setting in ("epochs=5000", "stop_epochs=0", "checkpoint_minutes=0.05"):
        settings += ["--set", f"train.{setting}"]
    more: list[object] = list(settings)
    while len(found := kills_in(kept)) < kills:
        one = killed(run, len(found) % 2, *more)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")
        more = ["--resume"]
    good = [one for one in found if one["status"] == 3 and one["named"] and one["gone"]]
    return [
        f"\n## A rank killed {len(found)} times\n",
        "SIGKILL to rank 0 and rank 1 in turn, after an epoch; each time the run was resumed from "
        "what was kept. (Gate 20 of the gates of trust.)\n",
        "| killed | ended well: status 3, the rank named in one line, nobody left | other rank gone"
        " after, s (median, most) | command ended after, s (median, most) |",
        "|---|---|---|---|",
        f"| {len(found)} | {len(good)} | {spread([o['other_s'] for o in found])} | "
        f"{spread([o['command_s'] for o in found])} |",
    ]


def kills_in(kept: Path) -> list[dict[str, Any]]:
    """Return the kills so far."""
    if not kept.exists():
        return []
    return [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]


def spread(values: list[float]) -> str:
    """Return median and largest in words."""
    return f"{np.median(values):.1f}, {max(values):.1f}"


PARTS = {
    "loss": loss_in_words,
    "store": store_in_words,
    "resumed": resumed_in_words,
    "kills": kills_in_words,
}


def lines_of(part: str, scratch: Path, kills: int) -> list[str]:
    """Return the lines of a part, measured once and kept in the scratch folder."""
    kept = scratch / f"{part}.json"
    if not kept.exists():
        images = scratch / part
        write_images(images)
        began = f"\nLoad at the start of this part: {os.getloadavg()[0]:.0f}."
        lines = PARTS[part](scratch / f"{part}-runs", images / "images.npy", kills)
        kept.write_text(json.dumps([*lines, began]), encoding="utf-8")
    lines = json.loads(kept.read_text(encoding="utf-8"))
    print(*lines, sep="\n", flush=True)
    return list(lines)


def main() -> None:
    """Measure, or take the steps of one rank."""
    if sys.argv[1:2] == ["--steps"]:
        steps(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "tvae-ranks")
    parser.add_argument("--part", choices=PARTS, help="measure one part and write no page")
    options = parser.parse_args()
    for part in [options.part] if options.part else PARTS:
        (options.scratch / f"{part}-runs").mkdir(parents=True, exist_ok=True)
        lines_of(part, options.scratch, options.kills)
    if options.part:
        return
    head = [
        "# Two ranks against one process\n",
        f"`python benchmarks/ranks.py --kills {options.kills}`, {os.cpu_count()} cores "
        f"({platform.machine()}), shared with other work: wall times are rough and CPU times are "
        "not. Ranks are gloo processes.",
    ]
    body = [line for part in PARTS for line in lines_of(part, options.scratch, options.kills)]
    RESULTS.write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
