"""What the help says is what holds: every default of every option of every command."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.work.test_requests import every_request
from tvae_core.cli.main import COMMANDS, load, main
from tvae_core.config import SECTIONS, RunConfig
from tvae_core.errors import ConfigError
from tvae_core.runs import recommend
from tvae_core.synthetic import KINDS, plan_set, write_set
from tvae_core.words import setting
from tvae_core.work.request import Request, RequestParser
from tvae_core.work.settings import FROM_IMAGES
from tvae_core.work.train import TrainRequest

Capture = pytest.CaptureFixture[str]
REQUESTS: dict[str, type[Request]] = {kind.name: kind for kind in every_request()}
SAYS_SO_ITSELF = re.compile(r"\bdefault\b")


def options(command: str) -> Iterator[argparse.Action]:
    """Every option of a command that takes a value, and whose help is shown."""
    for action in load(command)[1]._actions:
        if action.option_strings and action.nargs != 0 and action.help != argparse.SUPPRESS:
            yield action


def told(action: argparse.Action) -> str | None:
    """The default in the help of an option."""
    found = re.search(r"\(default (.*)\)$", (action.help or "").replace("%%", "%"))
    return found[1] if found else None


def least(command: str) -> list[str]:
    """Words that a command needs, nothing chosen."""
    words = []
    for action in load(command)[1]._actions:
        if not action.option_strings and action.nargs != "?":
            words.append(str(next(iter(action.choices))) if action.choices else "x")
        elif action.required:
            words += [action.option_strings[-1], "x.png"]
    return words


def holding(command: str) -> dict[str, Any]:
    """What each option is when nobody gives it."""
    arguments = load(command)[1].parse_args(least(command))
    held = dict(vars(arguments))
    if command in REQUESTS:
        held |= dict(REQUESTS[command].of(arguments))
    if command == "info":
        held |= flat(RunConfig())
    return held


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting of a config by `section.name`."""
    values = config.model_dump()
    return {f"{one}.{name}": values[one][name] for one in SECTIONS for name in values[one]}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_shows_the_defaults_that_hold(command: str) -> None:
    held = holding(command)
    for action in options(command):
        if command in ("train", "prepare") and "." in action.dest:
            continue  # the next test's
        said, value = told(action), held.get(action.dest)
        if said is not None:
            assert said == setting(value), (command, action.option_strings)
        elif value not in (None, "", (), []) and not action.required:
            assert SAYS_SO_ITSELF.search(action.help or ""), (command, action.option_strings, value)


@pytest.mark.parametrize(
    ("kind", "options_of_set"),
    [
        ("hinge", {"count": 40, "side": 64, "snr": 0.1}),
        ("digits-u", {"count": 60}),
        ("sprites", {"count": 40, "side": 24}),
    ],
)
def test_a_run_without_a_preset_gets_the_defaults_that_train_shows(
    kind: str, options_of_set: dict[str, Any], tmp_path: Path
) -> None:
    written = write_set(plan_set(kind, **options_of_set), tmp_path / "images")
    at = str(written.star or written.stack)
    request = TrainRequest.parse(["tvae", "train", str(tmp_path / "run"), "--data", at])
    held = flat(request.new_config() or RunConfig())
    shown = {a.dest: a for a in options("train") if "." in a.dest}
    assert set(shown) == set(held)
    for key, action in shown.items():
        if (said := told(action)) is not None:
            assert said == setting(held[key]), key
        elif key != "data.path" and held[key] != "":
            assert (action.help or "").endswith(f"({FROM_IMAGES})"), key


def test_what_the_recommendation_decides_is_told_as_chosen_from_the_images() -> None:
    source = Path(recommend.__file__).read_text(encoding="utf-8")
    decided = set(re.findall(r'Choice\("([a-z_.]+)"', source))
    assert decided
    assert decided <= recommend.DECIDES
    assert set(re.findall(r'"(fast-[a-z]+)"', source)) == set(recommend.STARTS)


def test_every_default_of_a_synthetic_kind_is_in_the_help() -> None:
    by_flag = {one.dest.removeprefix("option."): one.help or "" for one in options("synth")}
    for name, kind in KINDS.items():
        for option in kind.options:
            groups = by_flag[option.name].rpartition("(")[2].rstrip(")").split("; ")
            mine = next(g for g in groups if name in g.partition(":")[0].split(", "))
            if option.required:
                assert mine.endswith(": required")
            elif option.default not in (None, ""):
                assert mine.endswith(f"default {setting(option.default)}".replace("%", "%%"))


def test_the_self_test_does_as_much_as_its_help_says() -> None:
    from tvae_core.engine.judging.selftest import SelfTestSize

    by_flag = {one.dest: one.help or "" for one in options("selftest")}
    usual, full = SelfTestSize(), SelfTestSize.full()
    assert by_flag["images"].endswith(f"0: {usual.images}, with --full {full.images} (default 0)")
    assert by_flag["turns"].endswith(f"0: {usual.turns}, with --full {full.turns} (default 0)")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_quiet_or_speaks_json_when_asked(command: str) -> None:
    flags = load(command)[1]._option_string_actions
    assert {"--quiet", "-q", "--json"} <= set(flags)
    assert flags["--json"].nargs == 0


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_mistyped_option_is_told_which_was_meant(command: str) -> None:
    for action in load(command)[1]._actions:
        flag = max(action.option_strings, key=len, default="")
        if len(flag) < 6 or action.help == argparse.SUPPRESS:
            continue
        wrong = flag[:3] + "x" + flag[3:]
        with pytest.raises(ConfigError, match=f"no option '{wrong}' .did you mean '--"):
            load(command)[1].parse_args([*least(command), f"{wrong}=1"])


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("model.zdim=3", "model.z_dim"),
        ("z_dim=3", "model.z_dim"),
        ("train.learning-rate=1", "train.learning_rate"),
        ("modle.rotations=4", "model.rotations"),
        ("epoch=4", "train.epochs"),
        ("train.z_dim=4", "model.z_dim"),
    ],
)
def test_a_mistyped_setting_is_told_which_was_meant(
    setting: str, meant: str, capsys: Capture
) -> None:
    assert main(["train", "x", "--data", "x.npy", "--set", setting]) == 2
    error = capsys.readouterr().err
    assert f"did you mean '{meant}'?" in error
    assert error.count("\n") == 1


def test_a_mistyped_preset_and_config_key_too(tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", "x", "--data", "x.npy", "--preset", "fast-cpus"]) == 2
    assert "did you mean 'fast-cpu'?" in capsys.readouterr().err
    (tmp_path / "c.json").write_text('{"train": {"epoch": 3}}')
    assert main(["train", "x", "--data", "x.npy", "--config", str(tmp_path / "c.json")]) == 2
    assert "there is no such setting (did you mean 'train.epochs'?)" in capsys.readouterr().err


def test_a_word_too_many_is_named() -> None:
    parser = RequestParser(prog="tvae cluster")
    parser.add_argument("store")
    with pytest.raises(ConfigError, match="one word too many: 'b'"):
        parser.parse_args(["a", "b"])


def test_the_version_names_torch_device_and_escnn(capsys: Capture) -> None:
    import torch

    release = torch.__version__.partition("+")[0]  # a build for CUDA says so behind it
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("target-vae ")
    assert f"torch {release}" in lines[2]
    assert ", device " in lines[2]
    assert lines[3].startswith("escnn ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_is_told_every_command_and_option(shell: str, capsys: Capture) -> None:
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    for command in COMMANDS:
        assert command in script
    assert "learning-rate" in script
    assert "fast-cpu" in script


def test_bash_completes_with_what_is_printed(capsys: Capture) -> None:
    assert main(["--print-completion", "bash"]) == 0
    script = capsys.readouterr().out
    asked = (
        'COMP_WORDS=(tvae train r --learning-r); COMP_CWORD=3\n_shtab_tvae tvae "--learning-r"\n'
    )
    asked += 'echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True
    )
    assert "--learning-rate" in done.stdout.split()


def test_an_unknown_shell_is_one_line(capsys: Capture) -> None:
    for words in ([], ["cmd"]):
        assert main(["--print-completion", *words]) == 2
        assert "bash" in capsys.readouterr().err
