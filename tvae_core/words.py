"""Numbers for people: counts, durations, sizes, values with three significant digits and a unit."""

from __future__ import annotations

import math
from collections.abc import Iterable

_COMMA = str.maketrans(",.", ".,")
_separators: dict[int, int] = {}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def use_decimal_comma(on: bool) -> None:
    """Write 1.234,5 for people who read it so; files and commands never do."""
    _separators.clear()
    _separators.update(_COMMA if on else {})


def local(number: str) -> str:
    """Return a number written as 1,234.5 as the reader writes it."""
    return number.translate(_separators)


def fixed(value: float, decimals: int = 2) -> str:
    """Return a value with so many decimals, `−0.52`."""
    return local(f"{value:,.{decimals}f}").replace("-", "−")


def count(number: int, noun: str = "") -> str:
    """Return `1,234` or `1,234 images`, `1 image`."""
    if not noun:
        return local(f"{number:,}")
    return f"{local(f'{number:,}')} {noun if number == 1 else noun + 's'}"


def figure(value: float | None, unit: str = "") -> str:
    """Return a value with three significant digits and its unit; a dash when there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    large = abs(value)
    if large != 0 and (large >= 1e7 or large < 1e-4):
        text = f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")
    else:
        decimals = 2 if large == 0 else min(6, max(0, 2 - math.floor(math.log10(large))))
        text = f"{value:,.{decimals}f}"
    text = local(text).replace("-", "−")
    return f"{text} {unit}" if unit else text


def signed(value: float, decimals: int = 2) -> str:
    """Return a value with its sign, `+0.52` or `−0.52`, by the minus that figures have."""
    return local(f"{value:+.{decimals}f}").replace("-", "−")


def listed(names: Iterable[object], most: int = 12) -> str:
    """Return `a, b, c`; of many names the first, and how many there are besides."""
    every = [str(name) for name in names]
    more = f" and {count(len(every) - most)} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def share(part: int, whole: int) -> str:
    """Return a part in per cent; what is there is never said to be nothing, nor less to be all."""
    percent = 100 * part / max(whole, 1)
    if part and percent < 0.05:
        return local("under 0.1 %")
    if part < whole and percent >= 99.95:
        return local("over 99.9 %")
    return local(f"{percent:.1f} %")


def degrees(angle_rad: float) -> str:
    """Return an angle in whole degrees."""
    return f"{math.degrees(angle_rad):.0f}°".replace("-", "−")


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


def size(number: float) -> str:
    """Return a number of bytes in kB, MB or GB, powers of 1,000."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{figure(number / scale)} {unit}"
    return f"{round(number)} bytes"


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
