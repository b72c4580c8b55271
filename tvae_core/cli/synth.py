"""`tvae synth KIND OUT`: write an image set with known truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tvae_core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae synth`."""
    from tvae_core.synthetic import KINDS

    kinds = "\n".join(f"{name}: {kind.help}" for name, kind in KINDS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = kinds
    parser.add_argument("kind", choices=list(KINDS), help="what to make")
    parser.add_argument("out", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing image set")
    names: dict[str, Any] = {}
    for name, kind in KINDS.items():
        for option in kind.options:
            names.setdefault(option.name, (option, []))[1].append(name)
    for name, (option, used_by) in names.items():
        unit = f" [{option.about.unit}]" if option.about.unit else ""
        text = f"{option.about.help}{unit} ({', '.join(used_by)})"
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, dest=f"option.{name}", metavar="X", help=text.replace("%", "%%"))


def run(arguments: argparse.Namespace) -> int:
    """Make the set."""
    from tvae_core.synthetic import KINDS, plan_set, write_set

    given = {
        key.removeprefix("option."): value
        for key, value in vars(arguments).items()
        if key.startswith("option.") and value is not None
    }
    types = {option.name: option.type for option in KINDS[arguments.kind].options}
    values = {name: _parsed(name, text, types) for name, text in given.items()}
    plan = plan_set(arguments.kind, **values)
    truth = Path(arguments.out) / "truth.csv"
    if truth.exists() and not arguments.overwrite:
        raise ConfigError("the folder already holds an image set", arguments.out, "add --overwrite")
    written = write_set(plan, arguments.out)
    print("\n".join(str(path) for path in vars(written).values() if path))
    return 0


def _parsed(name: str, text: str, types: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    if name not in types:
        raise ConfigError(f"this kind has no option {name!r}")
    try:
        return TypeAdapter(types[name]).validate_strings(text)
    except ValidationError as error:
        raise ConfigError(error.errors()[0]["msg"], f"--{name}") from None
