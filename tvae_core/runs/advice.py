"""What to try instead when a run learned nothing, the pose only, or turns as content."""

from __future__ import annotations

import json
import shlex

from tvae_core.analysis.verdict import Verdict
from tvae_core.config import RunConfig
from tvae_core.errors import TvaeError
from tvae_core.files import parsed_json, write_text
from tvae_core.images.stack import ImageStack
from tvae_core.runs.folder import RunFolder

_AGAIN = "again"
_MOST_EPOCHS = 2000
_MOST_ROTATIONS = 16
_LONG_WARMUP = 0.5
_LEFT_ALONE = ("train.epochs",)  # how long is another question than how


def try_again(verdict: Verdict, config: RunConfig, stack: ImageStack | None) -> dict[str, str]:
    """Return the settings to change for another run on the same images, empty for none.

    What the images themselves recommend comes first; a run that already followed that is trained
    longer, or with a content that is given more time.

    Parameters
    ----------
    verdict : Verdict
    config : RunConfig
        Of the run that the verdict is on.
    stack : ImageStack or None
        Its images, raw; None when they are not at hand.
    """
    if verdict.turns:
        if config.model.rotations < _MOST_ROTATIONS:
            return {"model.rotations": str(_MOST_ROTATIONS)}
        return {"train.epochs": _longer(config, 2)}
    if verdict.learned not in ("pose", "nothing"):
        return {}
    found = _recommended(config, stack)
    if found:
        return found
    longer = {"train.epochs": _longer(config, 2 if verdict.learned == "pose" else 3)}
    if verdict.learned == "pose" and config.train.content_warmup < _LONG_WARMUP:
        return {"train.content_warmup": str(_LONG_WARMUP), **longer}
    return longer


def keep_verdict(run: RunFolder, verdict: Verdict, settings: dict[str, str]) -> None:
    """Write a verdict into its run, with the settings to try again with."""
    text = json.dumps(parsed_json(verdict.to_json()) | {_AGAIN: settings})
    write_text(run.verdict_file, f"{text}\n")


def settings_again(run: RunFolder) -> dict[str, str]:
    """Return the settings to try again with that a run keeps, empty for none.

    A run of an older program keeps none beside its verdict: they are chosen without its images.
    """
    text = run.verdict_text()
    verdict = Verdict.from_json(text)
    if verdict is None:
        return {}
    kept = parsed_json(text).get(_AGAIN)
    if isinstance(kept, dict):
        return {str(key): str(value) for key, value in kept.items()}
    try:
        return try_again(verdict, run.config(), None)
    except TvaeError:
        return {}


def command_again(run: RunFolder, settings: dict[str, str]) -> str:
    """Return the command of another run beside `run` with other settings, empty for none."""
    if not settings:
        return ""
    beside = run.path.with_name(f"{run.path.name}-again")
    changed = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return shlex.join(["tvae", "train", str(beside), "--config", str(run.config_file), *changed])


def _longer(config: RunConfig, times: int) -> str:
    return str(min(_MOST_EPOCHS, times * config.train.epochs))


def _recommended(config: RunConfig, stack: ImageStack | None) -> dict[str, str]:
    """Return the recommended settings that the run did not have."""
    from tvae_core.runs.recommend import recommend, words_of  # heavy, and seldom asked for

    if stack is None or config.model.system != "target-vae":
        return {}
    try:
        found = recommend(stack, config.data.model_copy(update=_UNCUT))
    except TvaeError:
        return {}
    now = config.model_dump()
    different = {}
    for choice in found.choices:
        section, name = choice.key.split(".")
        if choice.key not in _LEFT_ALONE and now[section][name] != choice.value:
            different[choice.key] = words_of(choice.value)
    return different


_UNCUT = {"crop_px": 0, "downsample_px": 0}
