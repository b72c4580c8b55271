"""Checkpoints: safetensors beside a JSON file that holds their SHA-256, and the model in one file.

A checkpoint is `NAME.safetensors` and `NAME.json`, the JSON written last. One whose digest does not
match is passed over for the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from tvae_core import words
from tvae_core.config import ModelConfig
from tvae_core.engine.model.origin import Origin, OriginKind
from tvae_core.engine.model.systems import build_model
from tvae_core.engine.model.target_vae import TargetVae
from tvae_core.errors import CheckpointError
from tvae_core.files import parsed_json, read_text, sha256_of_bytes, write_bytes, write_text

KEPT = 2
_FILTERS = "encoder.lifting.filters"
_CENTRE = "centre_px"  # absent in models of earlier versions
_ORIGINS: dict[OriginKind, str] = {
    k: f"origin_of_each_{k}" for k in get_args(OriginKind)
}  # likewise
_ZERO = "angle_of_each_content"  # likewise
_DESCRIPTION = "target-vae"


_OF_VALUES = "values_sha256"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name and the JSON values that go with them."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_checkpoint(folder: Path, name: str, checkpoint: Checkpoint) -> str:
    """Write a checkpoint atomically and return the SHA-256 of its tensors.

    Raises
    ------
    CheckpointError
        A number in it is not finite; what was there is kept.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise CheckpointError(
            "the weights are not finite any more", folder,
            "the last good checkpoint is kept; train again with a lower train.learning_rate",
        )  # fmt: skip
    content = save_tensors(tensors)
    digest = sha256_of_bytes(content)
    write_bytes(folder / f"{name}.safetensors", content)
    values = checkpoint.values | {"sha256": digest}
    values |= {_OF_VALUES: _digest_of_values(values)}
    write_text(folder / f"{name}.json", json.dumps(values))
    return digest


def _digest_of_values(values: dict[str, Any]) -> str:
    """Return the SHA-256 of the JSON beside the tensors; it goes with their own."""
    return sha256_of_bytes(json.dumps(values, sort_keys=True).encode())


def load_checkpoint(folder: Path, name: str) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError
        It is missing, or its bytes are not those that were written.
    """
    path = folder / f"{name}.safetensors"
    try:
        values = parsed_json(read_text(folder / f"{name}.json"))
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the checkpoint ({error})", path) from None
    if not isinstance(values, dict):
        raise CheckpointError("the checkpoint is damaged (its JSON is no record)", path)
    recorded = values.pop(_OF_VALUES, None)  # older programs wrote none
    if recorded not in (None, _digest_of_values(values)):
        raise CheckpointError("the checkpoint is damaged (the SHA-256 of its JSON differs)", path)
    if sha256_of_bytes(content) != values.pop("sha256", None):
        raise CheckpointError("the checkpoint is damaged (its SHA-256 differs)", path)
    return Checkpoint(load_tensors(content), values)


def save_step(folder: Path, step: int, checkpoint: Checkpoint) -> str:
    """Write the checkpoint of a step and keep the newest two."""
    digest = save_checkpoint(folder, step_name(step), checkpoint)
    kept = step_names(folder)[:KEPT]
    for file in [*folder.glob("step-*.json"), *folder.glob("step-*.safetensors")]:
        if file.stem not in kept:  # tensors without their JSON too, which a power cut leaves
            file.unlink(missing_ok=True)
    return digest


def step_name(step: int) -> str:
    """Return the name of the checkpoint of a step."""
    return f"step-{step:09d}"


def step_names(folder: Path) -> list[str]:
    """Return the names of the step checkpoints, newest first."""
    return sorted((path.stem for path in folder.glob("step-*.json")), reverse=True)


def load_newest(folder: Path) -> Checkpoint | None:
    """Return the newest step checkpoint that is sound, None when the run has none.

    Raises
    ------
    CheckpointError
        There are checkpoints, all damaged.
    """
    names = step_names(folder)
    for name in names:
        try:
            return load_checkpoint(folder, name)
        except CheckpointError:
            continue
    if names:
        raise CheckpointError("every checkpoint of the run is damaged", folder, "train it again")
    return None


def model_bytes(model: TargetVae) -> bytes:
    """Return the model as one safetensors file: weights, expanded filters, description."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if model.encoder.lifting is not None:
        with torch.no_grad():
            tensors[_FILTERS] = model.encoder.lifting.filters().detach().cpu().contiguous()
        tensors.pop("encoder.lifting.weights", None)
    if model.centre_px is not None:
        tensors[_CENTRE] = model.centre_px.detach().cpu().contiguous()
    if model.origin_weights is not None:
        name = _ORIGINS[model.origin_kind]
        tensors[name] = model.origin_weights.detach().cpu().contiguous()
    if model.zero_weights is not None:
        tensors[_ZERO] = model.zero_weights.detach().cpu().contiguous()
    description = {
        "model": model.model.model_dump(),
        "side": model.side,
        "channels": model.channels,
    }
    # one key only: safetensors writes several in a random order, and bytes are compared
    content: bytes = save_tensors(tensors, metadata={_DESCRIPTION: json.dumps(description)})
    return content


def model_from_bytes(content: bytes, where: object = "model") -> TargetVae:
    """Return a model ready to embed and decode; escnn is not needed.

    Raises
    ------
    CheckpointError
        The bytes are not a model.
    """
    try:
        tensors = load_tensors(content)
        about = _description(content)
        config = ModelConfig.model_validate(about["model"])
        side, channels = int(about["side"]), int(about["channels"])
        model = build_model(config, side, channels, trainable=False)
        model.compared = tensors["compared"]
        filters = tensors.pop(_FILTERS, None)
        _take_places(model, tensors)
        _check_parts(set(tensors), set(model.state_dict()), where)
        model.load_state_dict(tensors)
        if model.encoder.lifting is not None:
            model.encoder.lifting.freeze(filters)
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"not a model this program can use ({line})", where) from None
    return model.eval()


def _check_parts(found: set[str], known: set[str], where: object) -> None:
    if unknown := sorted(found - known):
        raise CheckpointError(
            f"the model has parts that this program does not know ({words.listed(unknown)})",
            where,
            "a newer version wrote it: update the program",
        )
    if missing := sorted(known - found):
        raise CheckpointError(f"the model is not whole: it lacks {words.listed(missing)}", where)


def _take_places(model: TargetVae, tensors: dict[str, Tensor]) -> None:
    """Move what tells how the model's objects stand in its frame from the tensors into it."""
    if _CENTRE in tensors:
        model.centre_px = _of_shape(tensors.pop(_CENTRE), _CENTRE, (2,))
    for kind, name in _ORIGINS.items():
        if name in tensors:
            shape = (2, 1 + (2 if kind == "centroid" else model.model.z_dim))
            model.set_origin(Origin(kind, _of_shape(tensors.pop(name), name, shape)))
    if _ZERO in tensors:
        model.set_zero(_of_shape(tensors.pop(_ZERO), _ZERO, (1 + model.model.z_dim,)))


def _of_shape(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    if tuple(tensor.shape) != shape or not tensor.is_floating_point():
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)} and not {shape}")
    return tensor


def _description(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = parsed_json(content[8 : 8 + length])
    return dict(parsed_json(header["__metadata__"][_DESCRIPTION]))
