"""What is known of a run's poses: the self-test's report, a symmetry, mirror partners. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from tvae_core.analysis.mirror import AtlasMirrors, nearest_node
from tvae_core.analysis.symmetry import SetSymmetry
from tvae_core.analysis.trust import BAD, CARE, GOOD, InvarianceReport
from tvae_core.planes import to_plane
from tvae_core.store import Atlas
from tvae_core.words import fixed
from tvae_gui.state.explorer_state import ExplorerState

Array = NDArray[np.floating]
PROBE, SELECTION, EVERYTHING = "probe", "selection", "all"
MEMBERS = 24
_SHORT = {GOOD: "trusted", CARE: "trusted with care", BAD: "not to be trusted"}


@dataclass(frozen=True)
class Subject:
    """Object whose symmetry is shown: kind PROBE, SELECTION, EVERYTHING or `set` with a name."""

    kind: str = PROBE
    name: str = ""


@dataclass(frozen=True)
class MirrorPlace:
    """Where the mirror partner of the probe's object lies, and what can be said of it.

    `z` (D,) and `xy`, its place on the shown plane, are None when there is no partner to mark.
    """

    words: str
    z: Array | None = None
    xy: tuple[float, float] | None = None
    score: float = 0.0


class TrustState:
    """What the card of poses shows.

    Signals: report_changed, subject_changed, symmetry_changed, mirrors_changed.
    """

    report_changed: ClassVar[Signal] = Signal()
    subject_changed: ClassVar[Signal] = Signal()
    symmetry_changed: ClassVar[Signal] = Signal()
    mirrors_changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.images_at = ""
        self.report: InvarianceReport | None = None
        self.subject = Subject()
        self.symmetry: SetSymmetry | None = None
        self.mirrors: AtlasMirrors | None = None
        self.marks_mirror = False

    def clear(self) -> None:
        """Forget everything: another run is open."""
        self.images_at = ""
        self.report, self.symmetry, self.mirrors = None, None, None
        self.subject, self.marks_mirror = Subject(), False
        self.report_changed.emit()
        self.subject_changed.emit()
        self.symmetry_changed.emit()
        self.mirrors_changed.emit()

    def set_report(self, report: InvarianceReport) -> None:
        """Keep what the self-test found."""
        self.report = report
        self.report_changed.emit()

    def choose(self, subject: Subject) -> None:
        """Ask for another symmetry."""
        if subject != self.subject:
            self.subject, self.symmetry = subject, None
            self.subject_changed.emit()
            self.symmetry_changed.emit()

    def set_symmetry(self, symmetry: SetSymmetry | None) -> None:
        """Show a symmetry."""
        self.symmetry = symmetry
        self.symmetry_changed.emit()

    def set_mirrors(self, mirrors: AtlasMirrors) -> None:
        """Keep the mirror partners of the atlas."""
        self.mirrors = mirrors
        self.mirrors_changed.emit()

    def mark_mirror(self, on: bool) -> None:
        """Show or hide the probe's mirror partner."""
        self.marks_mirror = on
        self.mirrors_changed.emit()

    @property
    def short(self) -> str:
        """The verdict in a word or two."""
        return "not tested yet" if self.report is None else _SHORT.get(self.report.level, "unclear")


def subjects(state: ExplorerState) -> list[tuple[str, Subject, int]]:
    """Return what a symmetry can be asked of: words, subject, number of images."""
    made = [("the probe", Subject(PROBE), 1)]
    if state.selection.count:
        made.append(("the selection", Subject(SELECTION), state.selection.count))
    made += [(f"set {s.name}", Subject("set", s.name), s.count) for s in state.sets]
    made.append(("all images", Subject(EVERYTHING), state.images))
    return made


def contents_of(state: ExplorerState, subject: Subject) -> Array | None:
    """Return the z to decode for a symmetry: the mean, then up to MEMBERS of the images (M, D).

    None when the subject is gone or holds no images.
    """
    if state.store is None or state.probe is None:
        return None
    if subject.kind == PROBE:
        return state.probe.z[None]
    mask = np.ones(state.images, dtype=bool)
    if subject.kind == SELECTION:
        mask = state.selection.mask
    elif subject.kind == "set":
        mask = next((s.mask for s in state.sets if s.name == subject.name), ~mask)
    chosen = np.flatnonzero(mask)
    if not len(chosen):
        return None
    z = state.store.z_mean
    some = chosen[np.unique(np.linspace(0, len(chosen) - 1, MEMBERS).astype(int))]
    return np.concatenate([z[chosen].mean(0, keepdims=True), z[some]])


def mirror_place(state: ExplorerState, mirrors: AtlasMirrors, atlas: Atlas) -> MirrorPlace:
    """Return where the mirror image of the object at the probe lies."""
    at = _on_atlas(state, atlas)
    if at is None or state.shown is None:
        return MirrorPlace("The probe is outside the decoded images of this plane.")
    node = nearest_node(atlas.x, atlas.y, at)
    partner = mirrors.partners.get(node)
    if partner is None:
        return MirrorPlace("There are no images at the probe.")
    if not partner.is_pair:
        if partner.own > partner.score - 0.02:
            return MirrorPlace(f"The object is its own mirror image ({fixed(partner.own)}).")
        return MirrorPlace(f"No decoded image mirrors this one (best {fixed(partner.score)}).")
    z = atlas.z.reshape(-1, atlas.z.shape[-1])[partner.partner]
    place = to_plane(state.shown, z)
    xy = (float(place[0]), float(place[1])) if np.isfinite(place).all() else None
    where = ", ".join(fixed(v) for v in z[:4]) + (", …" if len(z) > 4 else "")
    words = f"Mirror image at z = ({where}), {fixed(partner.score)}"
    return MirrorPlace(words, z, xy, partner.score)


def _on_atlas(state: ExplorerState, atlas: Atlas) -> tuple[float, float] | None:
    """Return the probe's place on the plane of the atlas; None beyond its edge.

    The atlas lies flat in z, on axes at right angles: its own nodes give them, nothing is read.
    """
    if state.probe is None:
        return None
    away = np.asarray(state.probe.z, dtype=np.float64) - atlas.z[0, 0]
    ends = ((atlas.x, atlas.z[0, -1]), (atlas.y, atlas.z[-1, 0]))
    at = []
    for axis, end in ends:
        step = np.asarray(end, dtype=np.float64) - atlas.z[0, 0]
        length = float(step @ step)
        share = float(away @ step) / length if length > 0 else 0.0
        room = 0.5 / max(len(axis) - 1, 1)
        if not -room <= share <= 1 + room:
            return None
        at.append(float(axis[0] + share * (axis[-1] - axis[0])))
    return at[0], at[1]
