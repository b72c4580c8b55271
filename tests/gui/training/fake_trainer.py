"""A small real process that speaks the protocol of `tvae train RUN [--resume] --json`.

What it does is told by `fake.json` in the run's folder: epochs, seconds a step, how it ends.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

run = Path(sys.argv[1])
resume = "--resume" in sys.argv
(run / "words.json").write_text(json.dumps(sys.argv[2:]))
plan = {"epochs": 2, "step_s": 0.0, "end": "finish"} | json.loads((run / "fake.json").read_text())


def write(stream, text):
    stream.write(text + "\n")
    stream.flush()


def say(kind, **values):
    write(sys.stdout, json.dumps({"kind": kind} | values))


def stop(number, frame):
    if plan["end"] == "ignore-stop":
        return
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "step-1.json").write_text("{}")
    say("failed", what="stopped; a checkpoint was written", where=str(run), todo="add --resume")
    (run / "run.pid").unlink()
    sys.exit(130)


def epoch(number):
    values = {"epoch": number, "epochs": plan["epochs"], "step": number, "elbo": -120.0 + number}
    values |= {"log_likelihood": -100.0, "kl_pose": 9.0, "kl_angle": 1.0, "kl_shift": 8.0}
    values |= {"kl_content": 4.0, "validation_elbo": -121.0 + number, "learning_rate": 1e-3}
    values |= {"temperature": 1.0, "seconds": 0.1, "eta_s": 1.0}
    say("epoch", **values)
    with open(run / "metrics.jsonl", "a") as stream:
        stream.write(json.dumps({"kind": "epoch"} | values) + "\n")


if plan["end"] == "no-start":
    sys.exit("ModuleNotFoundError: No module named 'torch'")
if (run / "run.pid").exists():
    say("failed", what="the run is being trained already", where="", todo="")
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
(run / "run.pid").write_text(str(os.getpid()))
first = len((run / "metrics.jsonl").read_text().splitlines()) if resume else 0
say("started", run=str(run), images=100, epochs=plan["epochs"], device="cpu", first_epoch=first)
write(sys.stdout, "a line that is no record")
write(sys.stderr, "a word on the error stream")
for number in range(first, plan["epochs"]):
    say("step", epoch=number, step=1, steps=2, elbo=-120, images_per_second=50, eta_s=3)
    deadline = time.monotonic() + plan["step_s"]
    while time.monotonic() < deadline:
        time.sleep(0.02)
    epoch(number)
    if plan["end"] == "fail":
        say("failed", what="the ELBO became nan", where=str(run), todo="lower the learning rate")
        (run / "run.pid").unlink()
        sys.exit(3)
say("embedded", done=100, total=100, images_per_second=1000)
(run / "embeddings.h5").write_text("store")
say("finished", path=str(run / "embeddings.h5"), reason="all epochs done", seconds=1)
(run / "run.pid").unlink()
