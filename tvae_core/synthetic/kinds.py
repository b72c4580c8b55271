"""The registry of synthetic sets, for the command line and for tests."""

from __future__ import annotations

from typing import Any

from tvae_core.errors import ConfigError
from tvae_core.synthetic.field import field
from tvae_core.synthetic.options import Kind
from tvae_core.synthetic.plan import ImagePlan
from tvae_core.synthetic.singles import SINGLES

KINDS: dict[str, Kind] = {
    **SINGLES,
    "field": Kind("field", field, "large images of many objects of another kind"),
}


def plan_set(kind: str, **options: Any) -> ImagePlan:
    """Plan a synthetic set by the name of its kind.

    Raises
    ------
    ConfigError
        On an unknown kind or option or a value out of bounds.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind {kind!r}", "", f"one of {', '.join(KINDS)}")
    return KINDS[kind](**options)
