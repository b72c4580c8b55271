"""An axis of a plot whose numbers are written as all figures are."""

from __future__ import annotations

import pyqtgraph as pg

from tvae_core.words import local


class MinusAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that writes −2, not -2.

    Signals: none.
    """

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the words at the ticks."""
        plain: list[str] = super().tickStrings(values, scale, spacing)
        return [local(word).replace("-", "−") for word in plain]
