"""What `tvae` says of itself: versions and device, and what a shell needs to complete its words."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from tvae_core.cli.main import COMMANDS, load
from tvae_core.errors import ConfigError, DeviceError, TvaeError
from tvae_core.presets import preset_names
from tvae_core.work.request import RequestParser

_PATHS = ("PATH", "FILE", "CSV", "STORE")


def version() -> str:
    """Return versions and the device that `auto` chooses; torch is loaded to find that out."""
    return "\n".join(
        [
            f"target-vae {version_of('target-vae')}",
            f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
            _torch(),
            _escnn(),
        ]
    )


def _torch() -> str:
    try:
        number = version_of("torch")
    except PackageNotFoundError:
        return "torch not installed: stores can be opened, nothing trained or decoded"
    try:
        from tvae_core.engine.device import choose_device

        return f"torch {number}, device {choose_device('auto')}"
    except (ImportError, OSError, TvaeError) as error:
        return f"torch {number}, which does not load: {str(error).splitlines()[0]}"


def _escnn() -> str:
    try:
        return f"escnn {version_of('escnn')}"
    except PackageNotFoundError:
        return "escnn not installed: its filters are used in closed form"


def completion(words: Sequence[str]) -> str:
    """Return the script that makes a shell complete the words of `tvae`.

    Raises
    ------
    ConfigError
        The shell is not one of those known.
    DeviceError
        shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise DeviceError("shtab is not installed", todo="pip install shtab") from None
    shells = shtab.SUPPORTED_SHELLS
    if len(words) != 1 or words[0] not in shells:
        raise ConfigError("name the shell", "--print-completion", f"one of {', '.join(shells)}")
    text: str = shtab.complete(whole_parser(shtab.FILE), shell=words[0])
    return text


def whole_parser(files: object) -> argparse.ArgumentParser:
    """Return one parser of all commands; where a file is wanted, `files` says how to complete."""
    parser = RequestParser(prog="tvae", description="Content, rotation and shift of every image.")
    parser.add_argument("--version", action="store_true", help="versions and device")
    commands = parser.add_subparsers()
    for name, help_words in COMMANDS.items():
        _, one = load(name)
        commands.add_parser(name, help=help_words, parents=[one], add_help=False)
        for action in one._actions:
            if action.dest == "preset":
                action.choices = preset_names()
            elif action.metavar in _PATHS or not (action.option_strings or action.choices):
                action.complete = files
    return parser
