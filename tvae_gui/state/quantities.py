"""Numbers in the words of the window: durations, sizes, counts, three significant digits."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """Return a duration with its two largest units, such as "2 h 5 min"."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "unknown"
    whole = round(seconds)
    if whole < 1:
        return "under 1 s"
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{round(whole / _MINUTE)} min"
    if whole < _DAY:
        return _pair(round(whole / _MINUTE), 60, "h", "min")
    return _pair(round(whole / _HOUR), 24, "days", "h").replace("1 days", "1 day")


def size(count: float) -> str:
    """Return a number of bytes in kB, MB or GB, powers of 1,000."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{digits(count / scale)} {unit}"
    return f"{round(count)} bytes"


def plural(count: int, noun: str) -> str:
    """Return "1 image" or "1,234 images"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def digits(value: float | None) -> str:
    """Return a value with three significant digits; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude >= 2:
        return f"{value:,.0f}".replace("-", "−")
    if magnitude < -3:
        return f"{value:.2e}".replace("e-0", "e-").replace("-", "−")
    return f"{value:.{2 - magnitude}f}".replace("-", "−")


def setting(value: object) -> str:
    """Return a setting's value as a person types it: 0.0002 as "0.0002", True as "on"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.8g}"
    return str(value)


def _pair(count: int, per: int, large: str, small: str) -> str:
    whole, rest = divmod(count, per)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
