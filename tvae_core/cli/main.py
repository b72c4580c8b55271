"""`tvae COMMAND ...`: finds the command, runs it, and is one of two places where errors are shown.

A command is a module with `add_arguments(parser)` and `run(arguments) -> int`. It is imported only
when it is called, so that help comes at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

from tvae_core.cli.stopping import INTERRUPTED, stopped_by_signals
from tvae_core.errors import Cancelled, DeviceError, TvaeError, did_you_mean, missing
from tvae_core.files import file_error

COMMANDS = {
    "open": "say what anything is and go on with it, in the window where there is a display",
    "demo": "simulate particles, train, embed, and show the latent plane",
    "synth": "simulate an image set with known truth",
    "look": "look at images and say which settings suit them, and why",
    "presets": "list the presets, each in a line",
    "train": "train a run, or resume one",
    "jobs": "list the runs submitted to Slurm, or cancel them",
    "prepare": "prepare the images of a run ahead of its training",
    "embed": "embed images with a trained run",
    "evaluate": "evaluate a run on held-out images: tables and figures as in the paper",
    "decode": "draw contents at any pose and size",
    "detect": "find the objects in larger images with a trained run",
    "project": "compute a plane (PCA or UMAP) for a store",
    "cluster": "cluster a store",
    "export": "write chosen images, tables or figures",
    "average": "average sets or clusters, aligned by their poses",
    "selftest": "turn and shift a run's images: can its poses be trusted?",
    "symmetry": "find which rotations leave decoded objects unchanged",
    "mirror": "find latent regions that are each other's mirror image",
    "cache": "list, limit, check or clear the prepared images that are kept",
    "info": "describe images, a run or a store",
    "validate": "check a store for damage",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tvae` and return its exit status, as listed in docs/exit-codes.md."""
    # Threads that wait for each other sleep instead of spinning: with another busy process beside
    # it, spinning made a training step six to ten times slower (docs/performance.md). The window
    # does without: an image drawn for somebody who waits is a third faster with spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _escape_what_cannot_be_shown()
    try:
        with stopped_by_signals() as asked:
            status = _dispatch(words, asked)
            sys.stdout.flush()  # here, where a full disk can still be told
        return status
    except KeyboardInterrupt:
        sys.stderr.write("tvae: stopped\n")
        return INTERRUPTED
    except BrokenPipeError:
        _write_no_more()
        return 0
    except (TvaeError, OSError, MemoryError, RuntimeError, ModuleNotFoundError) as error:
        told = _in_words(error)
        if debug or told is None:
            raise
        if isinstance(error, OSError):
            _write_no_more()
        with suppress(OSError):  # where even that cannot be written, the status tells
            kind = "" if isinstance(told, Cancelled) else "error: "
            sys.stderr.write(f"tvae: {kind}{told}\n")
        return told.exit_code


def _write_no_more() -> None:
    """Let what is left of the output go nowhere where it cannot be written: else Python fails."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_words(error: Exception) -> TvaeError | None:
    """Return what the machine refused in the user's words; None for a fault of the program."""
    if isinstance(error, TvaeError):
        return error
    if isinstance(error, OSError):
        return file_error(error)
    if isinstance(error, ModuleNotFoundError):
        return missing(error)
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        todo = "use smaller batches or images, or close other programs"
        return DeviceError("there is not enough memory", "", todo)
    return None


def _escape_what_cannot_be_shown() -> None:
    """Let letters that a terminal or file cannot hold be escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _dispatch(words: list[str], asked: Callable[[], bool]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0 if words else 2
    name = words[0]
    if name in ("--version", "-V", "--print-completion"):
        about = importlib.import_module("tvae_core.cli.about")
        text: str = about.version() if name != "--print-completion" else about.completion(words[1:])
        print(text)
        return 0
    if name not in COMMANDS:
        meant = did_you_mean(name, COMMANDS) or f"commands: {', '.join(COMMANDS)}"
        what = "option" if name.startswith("-") else "command"
        sys.stderr.write(f"tvae: error: no {what} {name!r} ({meant})\n")
        return 2
    command, parser = load(name)
    arguments = parser.parse_args(words[1:])
    for before, now in getattr(arguments, "old_names", []):
        sys.stderr.write(
            f"tvae: {before} is now {now}; the old name will be removed in the next version\n"
        )
    arguments.cancelled = asked
    if not arguments.quiet or arguments.json:
        return int(command.run(arguments))
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        return int(command.run(arguments))


def load(name: str) -> tuple[Any, Any]:
    """Return the module of a command and its parser, with the options that all commands have.

    Every command prints what it found as one JSON object, or as a line for each record, where it is
    given `--json` (`reporting.tell`, `reporting.report`), and asks `arguments.cancelled` to stop.
    """
    from tvae_core.work.request import RequestParser  # not before a command is called

    command = importlib.import_module(f"tvae_core.cli.{name}")
    parser = RequestParser(prog=f"tvae {name}", description=COMMANDS[name])
    command.add_arguments(parser)
    about = parser.add_argument_group("what is printed")
    about.add_argument("--json", action="store_true", help="print JSON, for machines")
    about.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    return command, parser


def _help() -> str:
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tvae COMMAND [options]    (tvae COMMAND --help for details)",
            "",
            "Learns content, rotation and shift of every image, without labels.",
            "",
            *lines,
            "",
            "Every command takes --help, --quiet, --json, and --debug (the traceback of an error).",
            "`tvae --version` tells versions and device; `tvae --print-completion SHELL` prints",
            "what makes a shell complete the words. Exit statuses: docs/exit-codes.md.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
