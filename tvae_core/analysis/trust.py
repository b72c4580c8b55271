"""Can a run's poses be trusted? What the invariance self-test found, judged and said in words.

Every threshold has its reason in docs/science.md, "Can the poses be trusted?".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvae_core.analysis.invariance import (
    ON_GRID,
    SHIFTED,
    THERE_AND_BACK,
    TURNED,
    WITH_CORNERS,
    Measure,
)

GOOD, CARE, BAD, UNKNOWN = "good", "with care", "not", "cannot tell"
_RANK = {UNKNOWN: 0, GOOD: 1, CARE: 2, BAD: 3}


@dataclass(frozen=True)
class Limit:
    """The largest value that is good, and the largest that is still of use."""

    good: float
    usable: float

    def level(self, value: float) -> str:
        """Return GOOD, CARE or BAD; UNKNOWN for NaN."""
        if math.isnan(value):
            return UNKNOWN
        return GOOD if value <= self.good else CARE if value <= self.usable else BAD


LIMITS = {
    "drift": Limit(0.10, 0.32),
    "angle_median_deg": Limit(5.0, 15.0),
    "gross_share": Limit(0.05, 0.20),
    "shift_median_px": Limit(0.5, 1.5),
    "misfit_share": Limit(0.05, 0.20),
}
_ANY_DEG = 180.0  # either way: the whole circle
ACTIVE_VARIANCE = 0.01  # of a dimension of z over the data; Burda et al. 2016


@dataclass(frozen=True)
class Judgement:
    """One part of the verdict: `level` is GOOD, CARE, BAD or UNKNOWN.

    `words` say why in a sentence, `short` in a few words.
    """

    part: str
    level: str
    words: str
    short: str


@dataclass(frozen=True)
class InvarianceReport:
    """What the self-test of a run found.

    symmetries : how many images have objects of which symmetry, by name.
    fit_share : how often the decoded image fits best at the inferred angle, 0.5 is chance.
    active_dimensions : dimensions of z that vary between images.
    turned_at_most_deg : by which images were turned, either way: as far as the prior lets objects
        lie (`ModelConfig.turned_at_most_rad`).
    """

    run: str
    images: int
    side_px: int
    pixel_size_angstrom: float | None
    z_spread: float
    z_dimensions: int
    active_dimensions: int
    symmetries: dict[str, int]
    fit_share: float
    measures: tuple[Measure, ...]
    seconds: float = 0.0
    turned_at_most_deg: float = _ANY_DEG

    def measure(self, kind: str) -> Measure | None:
        """Return the measure of one kind of trial; None when there was none."""
        return next((m for m in self.measures if m.kind == kind), None)

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """The parts of the verdict."""
        return (_content(self), _angle(self), _shift(self), _fit(self))

    @property
    def level(self) -> str:
        """The verdict on the poses: the worst of angle, shift and fit. Content has its own."""
        return worst([j.level for j in self.judgements if j.part != "content"])

    @property
    def content_level(self) -> str:
        """The verdict on z, which is another question than that on the poses."""
        return self.judgements[0].level

    @property
    def content_verdict(self) -> str:
        """Whether z can be trusted, in one sentence."""
        if not self.active_dimensions:
            return "z: no. It is the same for all images, so its planes and clusters mean nothing."
        return {
            GOOD: "z: yes. It says what an object is, however it is turned.",
            CARE: "z: with care. Neighbouring places of its planes are mixed by rotation.",
            BAD: "z: no. Its planes show how an object is turned as if it were content.",
            UNKNOWN: "z: cannot tell. No image was turned.",
        }[self.content_level]

    @property
    def verdicts(self) -> tuple[str, str]:
        """The two answers: on the poses and on z."""
        return self.verdict, self.content_verdict

    @property
    def verdict(self) -> str:
        """The answer on the poses, in one sentence."""
        return {
            GOOD: "Poses: yes. They can be trusted, within the errors below.",
            CARE: "Poses: with care. Many are of use, but not all.",
            BAD: "Poses: no. They cannot be trusted.",
            UNKNOWN: "Poses: cannot tell. Nothing here has a pose that could be right or wrong.",
        }[self.level]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, thresholds included, ready for JSON; NaN becomes None."""
        made = dataclasses.asdict(self)
        made |= {"level": self.level, "verdict": self.verdict}
        made |= {"content_level": self.content_level, "content_verdict": self.content_verdict}
        made["judgements"] = [dataclasses.asdict(j) for j in self.judgements]
        made["limits"] = {name: dataclasses.asdict(limit) for name, limit in LIMITS.items()}
        return dict(_plain(made))

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> InvarianceReport:
        """Return the report that `as_dict` wrote.

        Raises
        ------
        KeyError, TypeError
            The record is of something else.
        """
        fields = dataclasses.fields(cls)  # a report of before lacks what has a default
        record = {
            f.name: f.default for f in fields if f.default is not dataclasses.MISSING
        } | record
        own = {f.name: record[f.name] for f in fields}
        own |= {name: _nan_for_none(own[name]) for name in ("z_spread", "fit_share", "seconds")}
        own["measures"] = tuple(
            Measure(**{k: _nan_for_none(v) for k, v in m.items()}) for m in record["measures"]
        )
        return cls(**own)

    def table(self) -> list[tuple[str, ...]]:
        """Return rows of text, a heading first: one row a kind of trial."""
        head = ("images", "trials", "z RMS", "z median", "angle A.3", "folded", "median")
        return [
            (*head, "gross", "shift RMS", "shift median"),
            *(self._row(m) for m in self.measures),
        ]

    def _row(self, m: Measure) -> tuple[str, ...]:
        unit = self.pixel_size_angstrom
        angles = (m.angle_rmse_deg, m.angle_folded_rmse_deg, m.angle_median_deg)
        return (
            m.kind,
            f"{m.trials:,}",
            _percent(m.drift),
            _percent(m.drift_median),
            *(_degrees(angle) for angle in angles),
            _percent(m.gross_share),
            length(m.shift_rmse_px, unit),
            length(m.shift_median_px, unit),
        )

    def words(self) -> list[str]:
        """Return the verdict and its reasons, a sentence or two an entry."""
        return [*self.verdicts, *(j.words for j in self.judgements), *_checks(self)]


def length(value_px: float, pixel_size_angstrom: float | None) -> str:
    """Return a length in pixels, and in Angstrom where the pixel size is known."""
    if math.isnan(value_px):
        return "–"
    text = f"{value_px:.2f} px"
    return text if not pixel_size_angstrom else f"{text}, {value_px * pixel_size_angstrom:.1f} Å"


def worst(levels: Sequence[str]) -> str:
    """Return the worst of some levels."""
    return max(levels, key=_RANK.__getitem__, default=UNKNOWN)


def _content(report: InvarianceReport) -> Judgement:
    part, turned = "content", report.measure(TURNED)
    if not report.active_dimensions:
        return Judgement(
            part, BAD,
            "Content: z is nearly the same for all images, so there is nothing to trust. Train "
            "longer, or with other settings.",
            "z is the same for all images",
        )  # fmt: skip
    drift = float("nan") if turned is None else turned.drift
    level = LIMITS["drift"].level(drift)
    if turned is None or level == UNKNOWN:
        return Judgement(part, level, "Content: no image was turned.", "not tested")
    meaning = {
        GOOD: "the same object lands in the same place",
        CARE: "neighbouring places of the plane are mixed by rotation",
        BAD: "the plane shows rotation as if it were content",
    }[level]
    return Judgement(
        part, level,
        f"Content: turning an image moves z by {100 * drift:.1f} % of its spread (root mean "
        f"square; median {_percent(turned.drift_median)}), that is {100 * drift**2:.1f} % of its "
        f"variance: {meaning}.",
        f"a turn moves z by {100 * drift:.0f} % of its spread",
    )  # fmt: skip


def _angle(report: InvarianceReport) -> Judgement:
    part, turned = "angle", report.measure(TURNED)
    if turned is None or math.isnan(turned.angle_median_deg):
        words = "Angle: all objects look round, so they have no angle that could be right or wrong."
        return Judgement(part, UNKNOWN, words, "all objects look round")
    median, gross = turned.angle_median_deg, turned.gross_share
    level = worst([LIMITS["angle_median_deg"].level(median), LIMITS["gross_share"].level(gross)])
    folded = [n for n in report.symmetries if n.startswith("C")]
    fold = f" (symmetric objects folded: {', '.join(folded)})" if folded else ""
    return Judgement(
        part, level,
        f"Angle: half of the turned images are found within {median:.1f}° of their turn{fold}; "
        f"{100 * gross:.1f} % are grossly wrong. RMSE as in the paper's A.3, unfolded: "
        f"{turned.angle_rmse_deg:.1f}° (random angles: 104°).",
        f"half within {median:.1f}°, {100 * gross:.1f} % grossly wrong",
    )  # fmt: skip


def _shift(report: InvarianceReport) -> Judgement:
    part = "shift"
    found = [m for m in (report.measure(SHIFTED), report.measure(TURNED)) if m is not None]
    medians = [m.shift_median_px for m in found if not math.isnan(m.shift_median_px)]
    if not medians:
        return Judgement(part, UNKNOWN, "Shift: no image was shifted.", "not tested")
    worst_px, unit = max(medians), report.pixel_size_angstrom
    level = LIMITS["shift_median_px"].level(worst_px)
    each = ", ".join(f"{length(m.shift_median_px, unit)} when {m.kind}" for m in found)
    words = f"Shift: half of the images are found within {each}."
    return Judgement(part, level, words, f"half within {length(worst_px, unit)}")


def _fit(report: InvarianceReport) -> Judgement:
    part, share = "fit", report.fit_share
    level = LIMITS["misfit_share"].level(1.0 - share)
    if level == UNKNOWN:
        words = "Fit: all objects look round, so every angle fits."
        return Judgement(part, level, words, "all objects look round")
    meaning = {
        GOOD: "the angle agrees between images, not only within one",
        CARE: "some angles fit no object that the run has learned",
        BAD: "the angle follows the turn of an image but does not agree between images",
    }[level]
    return Judgement(
        part, level,
        f"Fit: the decoded object fits its image better at the inferred angle than turned "
        f"elsewhere in {100 * share:.0f} % of comparisons (50 % is chance): {meaning}.",
        f"best at the inferred angle in {100 * share:.0f} %",
    )  # fmt: skip


def _checks(report: InvarianceReport) -> list[str]:
    """Say how large the test's own effects are."""
    made = []
    back, corners = report.measure(THERE_AND_BACK), report.measure(WITH_CORNERS)
    grid, turned = report.measure(ON_GRID), report.measure(TURNED)
    if back is not None:
        made.append(
            "The test itself: turning an image there and back, which interpolates twice, moves "
            f"z by {_share(back.drift)} and the angle by {_degrees(back.angle_median_deg)}."
        )
    if corners is not None:
        made.append(
            "Masking the corners, which a turn would lose, moves "
            f"z by {_share(corners.drift)} and the angle by {_degrees(corners.angle_median_deg)}."
        )
    if grid is not None and turned is not None:
        made.append(
            f"On the angles of the encoder's group the median error is "
            f"{_degrees(grid.angle_median_deg)}, between them {_degrees(turned.angle_median_deg)}."
        )
    if report.turned_at_most_deg < _ANY_DEG:
        made.append(
            f"Images were turned by at most {report.turned_at_most_deg:.0f}° either way: the prior "
            "on rotation expects no object to lie farther."
        )
    made.append(
        "Turning an image turns its noise too: errors caused by noise do not show in these "
        "numbers, except in the fit."
    )
    return made


def _share(value: float) -> str:
    return _number(value, lambda v: f"{100 * v:.1f} % of its spread")


def _percent(value: float) -> str:
    return _number(value, lambda v: f"{100 * v:.1f} %")


def _degrees(value: float) -> str:
    return _number(value, lambda v: f"{v:.1f}°")


def _number(value: float, write: Callable[[float], str]) -> str:
    return "–" if math.isnan(value) else write(value)


def _nan_for_none(value: Any) -> Any:
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
