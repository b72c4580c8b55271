"""`tvae COMMAND ...`: finds the command, runs it, and is one of two places where errors are shown.

A command is a module with `add_arguments(parser)` and `run(arguments) -> int`. It is imported only
when it is called, so that help comes at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from tvae_core.errors import DeviceError, TvaeError
from tvae_core.files import file_error

COMMANDS = {
    "demo": "simulate particles, train, embed, and show the latent plane",
    "synth": "simulate an image set with known truth",
    "look": "look at images and say which settings suit them, and why",
    "presets": "list the presets, each in a line",
    "train": "train a run, or resume one",
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
    "info": "describe images, a run or a store",
    "validate": "check a store for damage",
}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tvae` and return its exit status: 0; 2 input, 3 machine, 4 damage, 130 interrupt."""
    # Threads that wait for each other sleep instead of spinning: with another busy process beside
    # it, spinning made a training step six to ten times slower (docs/performance.md). The window
    # does without: an image drawn for somebody who waits is a third faster with spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _escape_what_cannot_be_shown()
    try:
        status = _dispatch(words)
        sys.stdout.flush()  # here, where a full disk can still be told
        return status
    except KeyboardInterrupt:
        sys.stderr.write("tvae: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TvaeError, OSError, MemoryError, RuntimeError) as error:
        told = _in_words(error)
        if debug or told is None:
            raise
        with suppress(OSError):  # where even that cannot be written, the status tells
            sys.stderr.write(f"tvae: error: {told}\n")
        return told.exit_code


def _in_words(error: Exception) -> TvaeError | None:
    """Return what the machine refused in the user's words; None for a fault of the program."""
    if isinstance(error, TvaeError):
        return error
    if isinstance(error, OSError):
        return file_error(error)
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


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("target-vae"))
        return 0
    name = words[0]
    if name not in COMMANDS:
        sys.stderr.write(f"tvae: error: no command {name!r} ({_meant(name)})\n")
        return 2
    from tvae_core.work.request import RequestParser  # not before a command is called

    command = importlib.import_module(f"tvae_core.cli.{name}")
    parser = RequestParser(prog=f"tvae {name}", description=COMMANDS[name])
    command.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    for before, now in getattr(arguments, "old_names", []):
        sys.stderr.write(
            f"tvae: {before} is now {now}; the old name will be removed in the next version\n"
        )
    status: int = command.run(arguments)
    return status


def _meant(name: str) -> str:
    """Return which command was probably meant, or all of them."""
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"commands: {', '.join(COMMANDS)}"


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
            "  --debug shows the traceback of an error; --version",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
