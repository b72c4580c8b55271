"""A piece of work as one frozen record, which says its command and does itself.

The command line parses words into a request, a card of the window fills one from its form; both
run it. An option is declared once, on its field: its name, help, and how it is written.
"""

from __future__ import annotations

import argparse
import shlex
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from tvae_core.errors import ConfigError, did_you_mean
from tvae_core.progress import Cancel
from tvae_core.words import setting

Progress = Callable[[float, str], None]
_NEVER_BARE = object()


@dataclass(frozen=True)
class Option:
    """How a field is written on the command line.

    Parameters
    ----------
    help : str
        What it is for; the default is added.
    flag : str
        Its name, made from the field's where it is not given.
    short : str
        A second, short name.
    metavar : str
        What stands for its value in the help.
    group : str
        At most one option of a group may be given.
    bare : value, optional
        What it is when it is given without a value.
    old : tuple of str
        Names it had before. They still work for one version and say so.
    many : bool
        Several values may follow the name, which may also be repeated.
    """

    help: str
    flag: str = ""
    short: str = ""
    metavar: str = ""
    group: str = ""
    bare: Any = _NEVER_BARE
    old: tuple[str, ...] = ()
    many: bool = False


@dataclass(frozen=True)
class Place:
    """A field written by its place in the command, without a name."""

    help: str


def quiet(share: float, words: str) -> None:
    """Tell nobody how far the work is."""


def never() -> bool:
    """Never stop."""
    return False


class Request(BaseModel):
    """What is to be done, as asked for; the fields of a subclass are its options.

    A subclass gives `name`, the command's, and `run`. torch is imported nowhere but inside of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: ClassVar[str]

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Any:
        """Do it: `progress` is told the share done, 0 to 1, and `cancelled` asked often.

        Raises
        ------
        TvaeError
            It cannot be done, or `Cancelled` where it was stopped.
        """
        raise NotImplementedError

    @classmethod
    def fields_in_order(cls) -> dict[str, FieldInfo]:
        """Return the fields in the order of the help and of the command."""
        return dict(cls.model_fields)

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add an argument for each field."""
        groups: dict[str, Any] = {}
        for name, field in cls.fields_in_order().items():
            if (place := _declared(field, Place)) is not None:
                times = None if field.is_required() else "?"
                parser.add_argument(name, nargs=times, help=place.help, default=argparse.SUPPRESS)
            elif (option := _declared(field, Option)) is not None:
                if option.group and option.group not in groups:
                    groups[option.group] = parser.add_mutually_exclusive_group()
                target = groups[option.group] if option.group else parser
                _add_option(target, name, field, option)

    @classmethod
    def of(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """Return the request that parsed arguments make; `others` are fields given besides.

        Raises
        ------
        ConfigError
            A value is not what its option takes.
        """
        given = {k: _read(cls, k, v) for k, v in vars(arguments).items() if k in cls.model_fields}
        try:
            return cls(**(given | others))
        except ValidationError as error:
            raise ConfigError(*_first_wrong(cls, error)) from None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Return the request of a command, its first words `tvae` and the name among them.

        Raises
        ------
        ConfigError
            It is another command, or an option is wrong.
        """
        if list(words[:2]) != ["tvae", cls.name]:
            raise ConfigError(f"not the command tvae {cls.name}: {shlex.join(words[:2])}")
        parser = RequestParser(prog=f"tvae {cls.name}")
        cls.add_arguments(parser)
        return cls.of(parser.parse_args(list(words[2:])))

    def command(self) -> list[str]:
        """Return the words of the command that does the same."""
        places = [str(v) for _, v, _ in self._written(Place) if v is not None]
        options = [
            word
            for name, value, option in self._written(Option)
            if value != type(self).model_fields[name].get_default(call_default_factory=True)
            for word in _words(name, value, option)
        ]
        if any(place.startswith("-") for place in places):
            return ["tvae", self.name, *options, "--", *places]
        return ["tvae", self.name, *places, *options]

    def shell_line(self) -> str:
        """Return the command as one line that a shell takes."""
        return shlex.join(self.command())

    def _written(self, kind: type[Any]) -> Iterator[tuple[str, Any, Any]]:
        for name, field in self.fields_in_order().items():
            declared = _declared(field, kind)
            if declared is not None:
                yield name, getattr(self, name), declared

    @model_validator(mode="after")
    def _one_of_a_group(self) -> Self:
        seen: dict[str, str] = {}
        for name, value, option in self._written(Option):
            if option.group and value != type(self).model_fields[name].default:
                if option.group in seen:
                    raise ValueError(f"not together with {seen[option.group]}")
                seen[option.group] = flag_of(name, option)
        return self


class RequestParser(argparse.ArgumentParser):
    """A parser whose errors are ours: one line, raised."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return what the words mean.

        Raises
        ------
        ConfigError
            An option is unknown, and which was probably meant.
        """
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            option = next((word for word in rest if word.startswith("-")), None)
            if option is None:
                self.error(f"one word too many: {rest[0]!r}")
            option = option.partition("=")[0]
            shown = [name for one in self._actions for name in one.option_strings]
            self.error(f"no option {option!r}", did_you_mean(option, shown))
        return found

    def error(self, message: str, todo: str = "") -> NoReturn:
        """Raise a ConfigError."""
        raise ConfigError(message, "", " ".join(filter(None, (todo, f"see `{self.prog} --help`"))))


class _OldName(argparse.Action):
    """Takes an option by a name it had before, and notes it in `old_names`."""

    def __init__(self, *args: Any, now: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._now = now

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        noted = getattr(namespace, "old_names", [])
        namespace.old_names = [*noted, (option_string, self._now)]


def flag_of(name: str, option: Option) -> str:
    """Return the name of an option on the command line."""
    return option.flag or f"--{name.replace('_', '-')}"


def _declared(field: FieldInfo, kind: type[Any]) -> Any:
    return next((note for note in field.metadata if isinstance(note, kind)), None)


def _add_option(target: Any, name: str, field: FieldInfo, option: Option) -> None:
    flag, help_words = flag_of(name, option), _help(field, option)
    kind = _plain_type(field.annotation)
    how: dict[str, Any] = {"action": "store_true"}
    if kind is not bool:
        how = {"metavar": option.metavar or None}
        how |= {"action": "append"} if _is_repeated(kind) else {}
        how |= {"action": "extend", "nargs": "+"} if option.many else {}
        how |= {"choices": get_args(kind)} if get_origin(kind) is Literal else {}
        how |= {} if option.bare is _NEVER_BARE else {"nargs": "?", "const": option.bare}
    flags = [option.short, flag] if option.short else [flag]
    target.add_argument(*flags, dest=name, default=argparse.SUPPRESS, help=help_words, **how)
    for old in option.old:
        target.add_argument(
            old, dest=name, default=argparse.SUPPRESS, help=argparse.SUPPRESS,
            action=_OldName, now=flag,
        )  # fmt: skip


def _plain_type(kind: Any) -> Any:
    """Return a type without its None."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def _read(cls: type[Request], name: str, value: Any) -> Any:
    """Return what argparse gives for a field, numbers that stand together apart."""
    kind = _plain_type(cls.model_fields[name].annotation)
    together = get_origin(kind) is tuple and not _is_repeated(kind)
    return value.split(",") if together and isinstance(value, str) else value


def _is_repeated(kind: Any) -> bool:
    """Return whether an option is given once for each value; numbers stand together instead."""
    return get_origin(kind) is tuple and get_args(kind)[0] is not float


def _help(field: FieldInfo, option: Option) -> str:
    default = field.get_default(call_default_factory=True)
    silent = default is None or default is False or default in ("", ())
    return told(option.help, None if silent else default)


def told(text: str, default: object) -> str:
    """Return the help of an option with its default, unless that is None or the text says it."""
    says = default is None or "default" in text
    return (text if says else f"{text} (default {setting(default)})").replace("%", "%%")


def _words(name: str, value: Any, option: Option) -> Iterator[str]:
    """Yield the words that give an option this value."""
    flag = flag_of(name, option)
    if value is True or (value is not None and value == option.bare):
        yield flag
    elif isinstance(value, tuple) and value and isinstance(value[0], float):
        yield from _pair(flag, ",".join(repr(number) for number in value))
    else:
        for one in value if isinstance(value, tuple) else (value,):
            yield from _pair(flag, repr(one) if isinstance(one, float) else str(one))


def _pair(flag: str, text: str) -> tuple[str, ...]:
    """Return an option and its value, in one word where the value would pass for an option."""
    return (f"{flag}={text}",) if text.startswith("-") or not text else (flag, text)


def _first_wrong(cls: type[Request], error: ValidationError) -> tuple[str, str, str]:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0]) if first["loc"] else ""
    option = _declared(cls.model_fields[name], Option) if name else None
    where = flag_of(name, option) if option is not None else name
    return message[0].lower() + message[1:], where, f"see `tvae {cls.name} --help`"
