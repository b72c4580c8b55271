"""What a kind of synthetic set can be told, read off its function's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from tvae_core.errors import ConfigError
from tvae_core.synthetic.plan import ImagePlan


@dataclass(frozen=True)
class About:
    """Help, unit and bounds (inclusive) of one option; stands in the signature's `Annotated`."""

    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Option:
    """One keyword of a kind: its type, default (None when required) and `About`."""

    name: str
    type: Any
    default: Any
    required: bool
    about: About

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values allowed, empty when the type alone decides."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    def check(self, value: object) -> None:
        """Raise ConfigError when `value` is not a choice or lies outside the bounds."""
        if self.choices and value not in self.choices:
            allowed = ", ".join(map(str, self.choices))
            raise ConfigError(f"{value!r} is not one of {allowed}", self.name)
        if isinstance(value, (int, float)):
            self._check_bounds(value)

    def _check_bounds(self, value: float) -> None:
        low, high = self.about.low, self.about.high
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise ConfigError(f"{value} is not between {low} and {high}", self.name)


@dataclass(frozen=True)
class Kind:
    """A kind of synthetic set: the function that plans it, one line of help, its options."""

    name: str
    make: Callable[..., ImagePlan]
    help: str

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The function's keywords in the order of its signature."""
        function = getattr(
            self.make, "func", self.make
        )  # a partial's own hints are those of its function
        hints = get_type_hints(function, include_extras=True)
        parameters = inspect.signature(self.make).parameters.values()
        return tuple(_option(parameter, hints[parameter.name]) for parameter in parameters)

    def __call__(self, **values: Any) -> ImagePlan:
        """Check `values` and return the plan of the set.

        Raises
        ------
        ConfigError
            On an unknown or missing option or a value out of bounds.
        """
        known = {option.name: option for option in self.options}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(f"{self.name} has no option {name!r}", "", f"it has {[*known]}")
            known[name].check(value)
        for option in self.options:
            if option.required and option.name not in values:
                raise ConfigError(f"{self.name} needs the option {option.name!r}")
        return self.make(**values)


def _option(parameter: inspect.Parameter, hint: Any) -> Option:
    kind, about = get_args(hint)[:2]
    required = parameter.default is inspect.Parameter.empty
    return Option(parameter.name, kind, None if required else parameter.default, required, about)


Count = Annotated[int, About("images to make", 1, 100_000_000)]
Seed = Annotated[int, About("seed of all random numbers", 0, 2**63 - 1)]
Side = Annotated[int, About("side of the square image", 8, 16_384, "px")]
ShiftStd = Annotated[float, About("standard deviation of the shift along x and y", 0, 1e4, "px")]
Snr = Annotated[float, About("variance of signal over noise; inf for no noise", 1e-6, None)]
