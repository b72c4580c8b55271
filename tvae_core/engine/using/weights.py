"""The weights of a run: of a finished one its model, of one that runs or was stopped the newest."""

from __future__ import annotations

from torch import Tensor

from tvae_core import words
from tvae_core.config import ModelConfig
from tvae_core.engine.model.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_newest,
    model_bytes,
)
from tvae_core.engine.model.systems import build_model
from tvae_core.errors import CheckpointError
from tvae_core.progress import Remark
from tvae_core.runs.folder import RunFolder

_BEST = "best"


def weights_of_run(run: RunFolder) -> tuple[bytes, tuple[Remark, ...]]:
    """Return a run's model as one safetensors file, and what is to be said of it.

    Of a finished run that is its model, and nothing is said. Of one that is still trained, or
    was stopped, it is the best model so far; before the first epoch ends, that of the newest
    checkpoint.

    Raises
    ------
    CheckpointError
        Nothing was kept of it yet, or it is damaged.
    """
    best = run.checkpoints / f"{_BEST}.json"
    if run.model.exists():
        newer = best.exists() and best.stat().st_mtime > run.model.stat().st_mtime
        if not (newer and run.process() is not None):
            return run.model.read_bytes(), ()
    if best.exists():
        found = load_checkpoint(run.checkpoints, _BEST)
        done = int(found.values["epoch"]) + 1
        said = f"the best model of {words.count(done, 'epoch')} so far"
        return _as_model(run, found, found.tensors), _unfinished(said)
    newest = load_newest(run.checkpoints)
    if newest is None:
        todo = "wait for its first epoch to end" if run.process() else "resume its training first"
        raise CheckpointError("the run has no model yet", run.path, todo)
    own = {k.removeprefix("model."): v for k, v in newest.tensors.items() if k[:6] == "model."}
    averaged = {k[8:]: v for k, v in newest.tensors.items() if k[:8] == "average."}
    said = f"the model after {newest.values['step']:,} steps, before the first epoch ended"
    return _as_model(run, newest, own | averaged), _unfinished(said)


def _unfinished(with_what: str) -> tuple[Remark, ...]:
    return (Remark(f"the run is not finished: embedded with {with_what}"),)


def _as_model(run: RunFolder, checkpoint: Checkpoint, tensors: dict[str, Tensor]) -> bytes:
    config: ModelConfig = run.config().model
    try:
        side, channels = int(checkpoint.values["side"]), int(checkpoint.values["channels"])
    except KeyError:
        what = "its checkpoint was written by an earlier version"
        raise CheckpointError(what, run.path, "resume the run, then stop it again") from None
    model = build_model(config, side, channels)
    model.compared = tensors["compared"]
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        line = str(error).splitlines()[0]
        raise CheckpointError(f"the checkpoint is of another model ({line})", run.path) from None
    return model_bytes(model.eval())
