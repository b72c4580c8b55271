"""The card of poses, wired: self-test in the background, symmetry live, mirror image marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from psygnal import Signal

from tvae_core.analysis.symmetry import symmetries_of_contents, symmetry_of_set
from tvae_core.analysis.trust import InvarianceReport
from tvae_core.errors import Cancelled, ImageFileError, StoreError, TvaeError
from tvae_core.images_of import data_of
from tvae_core.words import count
from tvae_core.work.poses import MirrorRequest, MirrorsFound, SelfTestRequest
from tvae_gui.cards.poses.pose_drawer import PoseDrawer
from tvae_gui.context import Context
from tvae_gui.jobs.decode_job import SYMMETRY, DecodedMany
from tvae_gui.messages import sentence_of
from tvae_gui.state.atlas_view import blend_at
from tvae_gui.state.trust_state import (
    PROBE,
    SELECTION,
    MirrorPlace,
    Subject,
    TrustState,
    contents_of,
    mirror_place,
    subjects,
)
from tvae_gui.widgets.questions import ask_images_at
from tvae_gui.words import NO_MODEL, NO_RUN

_THOROUGH = 64  # images of a thorough test: a quarter of what appendix A.3 takes
ANGLES = 180
SIDE = 64  # decoded for a symmetry: enough for C24


class PosePresenter:
    """Everything about poses that the window shows.

    Signals: report_shown(words), mirror_placed(place of the mirror image, place of the probe),
    each None where there is none.
    """

    report_shown: ClassVar[Signal] = Signal(str)
    mirror_placed: ClassVar[Signal] = Signal(object, object)

    def __init__(self, context: Context, drawer: PoseDrawer) -> None:
        self._window, self._messages = context.window, context.messages
        self._state, self._decoder = context.state, context.decoder
        self.trust, self.drawer = TrustState(), drawer
        self._test, self._search = context.card_job(drawer), context.card_job()
        self._connect()

    def _connect(self) -> None:
        t, d = self.trust, self.drawer
        t.report_changed.connect(self._show_report)
        t.subject_changed.connect(self._on_subject)
        t.symmetry_changed.connect(self._show_symmetry)
        t.mirrors_changed.connect(self.show_mirror)
        d.test_wanted.connect(self.test)
        d.cancel_wanted.connect(self.cancel)
        d.images_wanted.connect(self._find_images)
        d.subject_chosen.connect(t.choose)
        d.mirror_toggled.connect(self.mark_mirror)
        d.mirror_visited.connect(self.visit_mirror)

    def open(self) -> None:
        """Show the card."""
        if self._state.store is None:
            return
        self.drawer.grey_test("" if self._decoder.is_ready else NO_MODEL)
        self.drawer.open_drawer()
        self.show_subjects()
        self.ask_symmetry()
        self.show_mirror()
        self.drawer.place()

    def on_store(self) -> None:
        """Begin with another store."""
        self.drawer.close_drawer()
        self.trust.clear()

    def kept(self) -> dict[str, Any]:
        """Return what is to be known of the poses when the run is opened again."""
        return {} if self.trust.report is None else self.trust.report.as_dict()

    def restore(self, kept: dict[str, Any]) -> None:
        """Show the verdict that `kept` gave."""
        try:
            self.trust.set_report(InvarianceReport.from_dict(kept))
        except (KeyError, TypeError, ValueError, AttributeError):
            return  # of another version: the test can be run again

    def on_decoder(self) -> None:
        """Offer the test and the symmetry where there is a model."""
        self.drawer.grey_test("" if self._decoder.is_ready else NO_MODEL)
        self.ask_symmetry()

    # --- self-test -----------------------------------------------------------------------------
    def test(self, thorough: bool) -> None:
        """Test the run in the background."""
        store, images_at = self._state.store, self.trust.images_at
        if store is None:
            return
        request = SelfTestRequest(
            store=Path(store.path),
            images=_THOROUGH if thorough else 0,
            full=thorough,
            images_at=images_at,
        )
        words = "Rotating and shifting images, and encoding them again …"
        self._test.run(
            "self-test",
            request.test,
            self.trust.set_report,
            words=words,
            failed=self._on_test_failed,
        )

    def cancel(self) -> None:
        """Stop the test."""
        self._test.cancel()

    def _on_test_failed(self, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            self.drawer.show_running(False)
            self._show_report()
        elif isinstance(error, TvaeError):
            gone = isinstance(error, ImageFileError | StoreError)
            self.drawer.show_trouble(sentence_of(error), gone)
        else:
            self.drawer.show_trouble("", False)
            self._messages.error(error)

    def ask_images(self) -> str:
        """Ask where the original images are now."""
        store = self._state.store
        return "" if store is None else ask_images_at(self._window, data_of(store).path)

    def _find_images(self) -> None:
        name = self.ask_images()
        if name:
            self.trust.images_at = name
            self.test(self.drawer.thorough.isChecked())

    def _show_report(self) -> None:
        self.drawer.show_report(self.trust.report)
        self.report_shown.emit(self.trust.short)

    # --- symmetry ------------------------------------------------------------------------------
    def on_probe(self) -> None:
        """Follow the probe."""
        if self.trust.subject.kind == PROBE:
            self.ask_symmetry()
        self.show_mirror()

    def on_selection(self, live: bool) -> None:
        """Follow the selection once it is drawn."""
        if live or not self.drawer.isVisible():
            return
        if self.trust.subject.kind == SELECTION:
            if self._state.selection.count:
                self.ask_symmetry()
            else:
                self.trust.choose(Subject(PROBE))
        self.show_subjects()

    def _on_subject(self) -> None:
        self.show_subjects()
        self.ask_symmetry()

    def show_subjects(self) -> None:
        """List what the symmetry can be of."""
        if self._state.store is None:
            return
        entries = subjects(self._state)
        if self.trust.subject not in [subject for _, subject, _ in entries]:
            self.trust.choose(Subject(PROBE))
            return
        self.drawer.show_subjects(entries, self.trust.subject)

    def ask_symmetry(self) -> None:
        """Show the symmetry of the atlas blend at once, and ask for that of the exact images."""
        store = self._state.store
        if store is None or not self.drawer.isVisible():
            return
        z = contents_of(self._state, self.trust.subject)
        if z is None:
            self.trust.set_symmetry(None)
            return
        blend = blend_at(self._state, z[0])
        if blend is not None and self.trust.subject.kind == PROBE:
            self._show_found(blend[None])
        side = min(SIDE, store.header.side)
        self._decoder.ask_many(SYMMETRY, z, self.trust.subject, side)

    def on_symmetry(self, answer: DecodedMany) -> None:
        """Show the symmetry of decoded images, the mean content first."""
        if answer.tag == self.trust.subject and self._state.store is not None:
            self._show_found(answer.images)

    def _show_found(self, images: np.ndarray[Any, Any]) -> None:
        first, *members = symmetries_of_contents(images, ANGLES)
        self.trust.set_symmetry(symmetry_of_set(first, members))

    def _show_symmetry(self) -> None:
        found = self.trust.symmetry
        if found is None:
            words = "" if self._decoder.is_ready else NO_MODEL
        elif found.counts:
            shown = ", ".join(f"{name} {n}" for name, n in list(found.counts.items())[:4])
            words = f"{count(sum(found.counts.values()))} of its images: {shown}"
        else:
            words = found.mean.highest if found.mean.order == 1 else ""
        self.drawer.show_symmetry(found, words)

    # --- mirror image --------------------------------------------------------------------------
    def why_no_mirror(self) -> str:
        """Return why no mirror image can be marked; empty when it can."""
        store = self._state.store
        if store is None:
            return NO_RUN
        return "" if store.atlas is not None else "This run has no stored decoded images"

    def toggle_mirror(self) -> None:
        """Mark the mirror image, or mark it no longer."""
        self.mark_mirror(not self.trust.marks_mirror)

    def mark_mirror(self, on: bool) -> None:
        """Mark the mirror image of the probe's object; the first time it is searched for."""
        store = self._state.store
        if store is None or self.why_no_mirror():
            return
        self.trust.mark_mirror(on)
        if not on or self.trust.mirrors is not None:
            return
        request = MirrorRequest(store=Path(store.path))
        self._search.run("mirror images", request.run, self._on_mirrors, failed=self._on_no_mirrors)

    def _on_mirrors(self, found: MirrorsFound) -> None:
        self.trust.set_mirrors(found.mirrors)

    def _on_no_mirrors(self, error: BaseException) -> None:
        self.trust.mark_mirror(False)
        self._messages.error(error)

    def _place(self) -> MirrorPlace | None:
        store, mirrors = self._state.store, self.trust.mirrors
        if store is None or store.atlas is None or mirrors is None or not self.trust.marks_mirror:
            return None
        return mirror_place(self._state, mirrors, store.atlas)

    def show_mirror(self) -> None:
        """Mark the mirror image of the probe's object, if it is wanted and there is one."""
        place, on, probe = self._place(), self.trust.marks_mirror, self._state.probe
        words = "" if place is None else place.words
        if on and place is None:
            words = "Comparing the decoded images …"
        can_visit = place is not None and place.z is not None
        self.drawer.show_mirror(on, words, self.why_no_mirror(), can_visit)
        at = None if place is None else place.xy
        self.mirror_placed.emit(at, None if probe is None else probe.xy)

    def visit_mirror(self) -> None:
        """Put the probe on the mirror image."""
        place = self._place()
        if place is not None and place.z is not None:
            self._state.set_probe_z(place.z)
