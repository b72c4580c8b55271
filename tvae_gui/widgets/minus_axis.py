"""An axis of a plot whose minus is that of all figures."""

from __future__ import annotations

import pyqtgraph as pg


class MinusAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that writes −2, not -2.

    Signals: none.
    """

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the words at the ticks."""
        plain: list[str] = super().tickStrings(values, scale, spacing)
        return [word.replace("-", "−") for word in plain]
