"""What a window is made of, handed to each presenter."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtWidgets import QWidget

from tvae_gui.jobs.background_job import BackgroundJobs
from tvae_gui.jobs.card_job import CardJob, JobCard
from tvae_gui.jobs.decode_job import DecodeJob, DecoderFactory
from tvae_gui.jobs.neighbour_job import NeighbourJob
from tvae_gui.jobs.original_job import OriginalJob
from tvae_gui.jobs.picture_job import PictureJob
from tvae_gui.jobs.save_job import SaveJob
from tvae_gui.jobs.tile_job import TileJob
from tvae_gui.messages import Messages
from tvae_gui.session.session import Session
from tvae_gui.state.explorer_state import ExplorerState
from tvae_gui.widgets.tones import Tones


@dataclass(frozen=True)
class Context:
    """What the rooms of one window share; of each other they know nothing.

    Attributes
    ----------
    window : QWidget
        The parent of questions and menus.
    state : ExplorerState
        What is shown.
    messages : Messages
        The one door to the user.
    session : Session
        The open store and what the user adds to it.
    jobs : BackgroundJobs
        Long work; a card runs its own by `card_job`.
    make_decoder : callable
        Makes a decoder of a store, on a thread that is not the window's.
    decoder, pictures : DecodeJob, PictureJob
        The threads that decode, and that read thumbnails.
    tiles : TileJob
        Thumbnails by the page, for a gallery.
    originals : OriginalJob
        The images themselves behind them.
    saves : SaveJob
        Writes the session's notes.
    neighbours : NeighbourJob
        Counts what is near the probe where that takes longer than a frame.
    tones : Tones
        The contrast in which images are shown.
    """

    window: QWidget
    state: ExplorerState
    messages: Messages
    session: Session
    jobs: BackgroundJobs
    make_decoder: DecoderFactory
    decoder: DecodeJob
    pictures: PictureJob
    tiles: TileJob
    originals: OriginalJob
    saves: SaveJob
    neighbours: NeighbourJob
    tones: Tones

    @classmethod
    def of(cls, window: QWidget, make_decoder: DecoderFactory) -> Context:
        """Return what a new window is made of."""
        state, messages = ExplorerState(), Messages(window)
        return cls(
            window=window,
            state=state,
            messages=messages,
            session=Session(state, messages),
            jobs=BackgroundJobs(window),
            make_decoder=make_decoder,
            decoder=DecodeJob(make_decoder, window),
            pictures=PictureJob(window),
            tiles=TileJob(window),
            originals=OriginalJob(window),
            saves=SaveJob(window),
            neighbours=NeighbourJob(state, window),
            tones=Tones(state),
        )

    def card_job(self, card: JobCard | None = None, stopped: str = "Stopped.") -> CardJob:
        """Return the one job of a card, or of none."""
        return CardJob(self.jobs, self.state, self.messages, card, stopped)

    def stop(self) -> None:
        """Stop and join every thread."""
        self.saves.stop()
        self.jobs.stop()
        self.decoder.stop()
        self.pictures.stop()
        self.tiles.stop()
        self.originals.stop()
        self.neighbours.stop()
