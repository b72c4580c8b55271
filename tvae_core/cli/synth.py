"""`tvae synth KIND OUT`: write an image set with known truth."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tvae_core.cli.reporting import tell
from tvae_core.errors import ConfigError
from tvae_core.words import setting

if TYPE_CHECKING:
    from tvae_core.synthetic.options import Option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae synth`."""
    from tvae_core.synthetic import KINDS

    kinds = "\n".join(f"{name}: {kind.help}" for name, kind in KINDS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = kinds
    parser.add_argument("kind", choices=list(KINDS), help="what to make")
    parser.add_argument("out", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing image set")
    names: dict[str, list[tuple[str, Option]]] = {}
    for name, kind in KINDS.items():
        for option in kind.options:
            names.setdefault(option.name, []).append((name, option))
    for name, uses in names.items():
        about = uses[0][1].about
        unit = f" [{about.unit}]" if about.unit else ""
        text = f"{about.help}{unit} ({_defaults(uses)})"
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, dest=f"option.{name}", metavar="X", help=text.replace("%", "%%"))


def _defaults(uses: list[tuple[str, Option]]) -> str:
    """Return the default of an option in each kind that has it, kinds of one default together."""
    kinds: dict[str, list[str]] = {}
    for kind, option in uses:
        silent = option.default is None or option.default == ""
        default = "no default" if silent else f"default {setting(option.default)}"
        kinds.setdefault("required" if option.required else default, []).append(kind)
    return "; ".join(f"{', '.join(names)}: {default}" for default, names in kinds.items())


def run(arguments: argparse.Namespace) -> int:
    """Make the set."""
    from tvae_core.synthetic import KINDS, plan_set, write_set
    from tvae_core.synthetic.write import is_written

    given = {
        key.removeprefix("option."): value
        for key, value in vars(arguments).items()
        if key.startswith("option.") and value is not None
    }
    types = {option.name: option.type for option in KINDS[arguments.kind].options}
    values = {name: _parsed(name, text, types) for name, text in given.items()}
    plan = plan_set(arguments.kind, **values)
    if is_written(arguments.out) and not arguments.overwrite:
        raise ConfigError("the folder already holds an image set", arguments.out, "add --overwrite")
    written = write_set(plan, arguments.out)
    tell(arguments, vars(written), *(str(path) for path in vars(written).values() if path))
    return 0


def _parsed(name: str, text: str, types: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    if name not in types:
        todo = f"it has {', '.join('--' + one.replace('_', '-') for one in types)}"
        raise ConfigError(f"this kind has no option --{name.replace('_', '-')}", "", todo)
    try:
        return TypeAdapter(types[name]).validate_strings(text)
    except ValidationError as error:
        raise ConfigError(error.errors()[0]["msg"], f"--{name}") from None
