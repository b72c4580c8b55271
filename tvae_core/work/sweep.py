"""A sweep: runs over every combination of some settings, each in a folder of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from tvae_core.config import SECTIONS
from tvae_core.errors import ConfigError, did_you_mean

_MOST = 1000


def sweep_of(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the runs that words such as `z_dim=2,8` and `seed=0..2` ask for: name to settings.

    Raises
    ------
    ConfigError
        A setting is unknown or has no values, or there are too many runs.
    """
    axes = [_axis(word) for word in words]
    names = [key for key, _ in axes]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{twice.pop()} is there twice", "--sweep")
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > _MOST:
        raise ConfigError(f"{count:,} runs are more than {_MOST:,}", "--sweep")
    runs = {}
    for chosen in itertools.product(*(values for _, values in axes)):
        pairs = list(zip(names, chosen, strict=True))
        name = "_".join(f"{key.rpartition('.')[2]}-{_in_a_name(value)}" for key, value in pairs)
        runs[name] = tuple(f"{key}={value}" for key, value in pairs)
    return runs


def _axis(word: str) -> tuple[str, list[str]]:
    name, _, text = word.partition("=")
    key = setting_called(name)
    if found := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        first, last = int(found[1]), int(found[2])
        if not first <= last < first + _MOST:
            raise ConfigError(f"{word!r}: no values from {first} to {last}", "--sweep")
        return key, [str(value) for value in range(first, last + 1)]
    values = [value for value in text.split(",") if value]
    if not values or len(set(values)) < len(values):
        todo = "as in z_dim=2,8 or seed=0..2"
        raise ConfigError(f"{word!r} names no values, or one twice", "--sweep", todo)
    return key, values


def setting_called(name: str) -> str:
    """Return `section.name` of a setting, which may be called by its name alone.

    Raises
    ------
    ConfigError
        There is none, or several are called so.
    """
    every = [
        f"{section}.{one}" for section, model in SECTIONS.items() for one in model.model_fields
    ]
    found = [key for key in every if name in (key, key.partition(".")[2])]
    if len(found) == 1:
        return found[0]
    todo = f"one of {', '.join(found)}" if found else did_you_mean(name, every)
    raise ConfigError(f"no one setting is called {name!r}", "--sweep", todo)


def _in_a_name(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]", "-", value)
