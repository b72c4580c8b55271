"""How numbers are written for people: thousands separators, three significant digits, units."""

from __future__ import annotations

import math


def count(number: int, noun: str = "") -> str:
    """Return `1,234` or `1,234 images`, `1 image`."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def figure(value: float, unit: str = "") -> str:
    """Return a value with three significant digits and its unit; a true minus sign."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size != 0 and (size >= 1e5 or size < 1e-4):
        text = f"{value:.2e}"
    else:
        decimals = 2 if size == 0 else min(6, max(0, 2 - math.floor(math.log10(size))))
        text = f"{value:,.{decimals}f}"
    text = text.replace("-", "−")
    return f"{text} {unit}" if unit else text


def degrees(angle_rad: float) -> str:
    """Return an angle in whole degrees."""
    return f"{math.degrees(angle_rad):.0f}°".replace("-", "−")
