"""Training a run, and embedding images with it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from tvae_core.config import RunConfig
from tvae_core.errors import ConfigError, TrainingError
from tvae_core.images_of import IMAGES_AT, moved
from tvae_core.presets import load_preset
from tvae_core.progress import Cancel, Embedded, Epoch, Finished, Record, Remark, Step
from tvae_core.runs.folder import RunFolder
from tvae_core.runs.job import live_job
from tvae_core.runs.listing import summarise
from tvae_core.runs.recommend import DECIDES, STARTS, Recommendation, recommend
from tvae_core.words import count
from tvae_core.work.ranks import SharedRequest, never_asked, this_rank
from tvae_core.work.request import Option, Place, Progress, never, quiet
from tvae_core.work.settings import FROM_IMAGES, SettingsRequest, default_words
from tvae_core.work.slurm import SlurmOptions, executor_of, script, submit
from tvae_core.work.sweep import sweep_of

if TYPE_CHECKING:
    from tvae_core.engine.together.ranks import Ranks


SUBMITTED = "slurm"  # folder of what submitit keeps, within that of the run or of the sweep


class EmbedRequest(SettingsRequest, SharedRequest):
    """With which run to embed which images, and where the store goes."""

    name: ClassVar[str] = "embed"
    sections: ClassVar[tuple[str, ...]] = ("data", "embed")
    defaults_from: ClassVar[str] = "by default as in the run"

    folder: Annotated[Path, Place("folder of a trained run")]
    data: Annotated[
        str | None,
        Option("embed these images instead of the run's own", metavar="PATH", group="images"),
    ] = None
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH", group="images")] = ""
    output: Annotated[
        Path | None,
        Option("store to write, RUN/embeddings.h5 by default", short="-o", metavar="FILE"),
    ] = None
    new_notes: Annotated[
        bool,
        Option(
            "set notes aside that belong to images not embedded; without this such notes stop the"
            " command"
        ),
    ] = False

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add an argument for each field and parameter, and for the processor."""
        super().add_arguments(parser)
        processor = {
            "device": ("NAME", "auto, cpu, cuda or cuda:N"),
            "threads": ("N", "CPU threads; 0: one per core"),
        }
        for name, (metavar, help_words) in processor.items():
            parser.add_argument(
                f"--{name}", dest=f"train.{name}", metavar=metavar, default=argparse.SUPPRESS,
                help=f"{help_words}; by default as in the run",
            )  # fmt: skip

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Path:
        """Embed and return the store written; see `Request.run`."""
        return _path_at_the_end(self.records(cancelled), progress)

    def records(self, cancelled: Cancel = never) -> Iterator[Record]:
        """Embed, yielding records of how far it is; raises as `run`."""
        if self.is_shared:
            yield from self.shared_records(self.folder, cancelled)
            return
        with this_rank() as ranks:
            yield from _of_first(ranks, self._records(never_asked(ranks, cancelled), ranks))

    def _records(self, cancelled: Cancel, ranks: Ranks | None) -> Iterator[Record]:
        from tvae_core.engine.together.ranks import ALONE
        from tvae_core.engine.using.embed import embed
        from tvae_core.images.opening import named_by

        folder = RunFolder(self.folder)
        config = self.settings_on(folder.config())
        if self.data:
            config.data.path = str(named_by(Path(self.data).absolute()))
        yield from embed(
            folder,
            self.output,
            config,
            cancelled,
            images_at=self.images_at,
            all_there=self.data is not None,
            new_notes=self.new_notes,
            ranks=ranks or ALONE,
        )


class NewRunRequest(SettingsRequest):
    """Which run to begin, with which images and settings, or to go on with."""

    sections: ClassVar[tuple[str, ...]] = ("data", "model", "train", "embed")
    defaults_from: ClassVar[str] = (
        "the defaults without --preset and --config, which bring their own; `tvae look PATH` shows"
        " what is chosen from the images"
    )

    folder: Annotated[Path, Place("folder of the run; created if it does not exist")]
    data: Annotated[str | None, Option("images: a stack, table or folder", metavar="PATH")] = None
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH")] = ""
    anyway: Annotated[
        bool, Option("train despite problems with the settings, the images or the machine")
    ] = False

    @property
    def resumes(self) -> bool:
        """Whether a run is to go on."""
        return False

    @classmethod
    def default_of(cls, section: str, name: str) -> str | None:
        """Return what all presets agree on that the recommendation starts from."""
        if f"{section}.{name}" in DECIDES:
            return FROM_IMAGES
        values = {getattr(getattr(load_preset(one), section), name) for one in STARTS}
        return default_words(values.pop()) if len(values) == 1 else FROM_IMAGES

    def new_config(self) -> RunConfig | None:
        """Return the config of a new run, None for one that was begun.

        Without a preset or config it is the one recommended for the images
        (`tvae_core.runs.recommend`), with the settings given. Where a resumed run is to work from
        now on is written into its config.

        Raises
        ------
        ConfigError
            The run was begun with other settings, there is none to resume, or no images are named.
        ImageFileError
            The images that settings are to be chosen for cannot be read.
        """
        return self._config_and_choice()[0]

    def _config_and_choice(self) -> tuple[RunConfig | None, Recommendation | None]:
        folder = RunFolder(self.folder)
        is_moved = self.resumes and folder.begun  # then --data says where the images are now
        asks = self.asks_for_settings or (self.data is not None and not is_moved)
        if folder.config_file.exists() and (folder.begun or not asks):
            self._keep_place(folder, asks)
            if folder.begun:
                return None, None
            config = folder.config()
            return config.model_copy(update={"data": moved(config.data, self.images_at)}), None
        if self.resumes:
            raise ConfigError("no run here to resume", self.folder)
        named = bool(self.preset or self.config)  # else the rest is chosen for the images
        config = self.settings_on(settled=named)
        config.data.path = self.data or config.data.path
        if not config.data.path:
            raise ConfigError("no images given", self.folder, "add --data PATH")
        config.data.path = str(Path(config.data.path).absolute())
        if named:
            return config, None
        chosen = recommend(config.data.path, config.data, self.settings)
        return chosen.config, chosen

    def _keep_place(self, folder: RunFolder, asks: bool) -> None:
        """Write where a resumed run is to work and how long; refuse any other setting."""
        if not asks:
            return
        if not (self.resumes and self.may_resume):
            todo = (
                "resume it unchanged (only --epochs, --device and --threads may differ), or choose "
                "another folder"
            )
            raise ConfigError("the run was started with other settings", self.folder, todo)
        config = folder.config().changed(list(self.settings))
        if config.train.epochs < (done := folder.epochs_done()):
            what = f"train.epochs={config.train.epochs}, but {done} epochs are done already"
            raise ConfigError(what, self.folder, "ask for more")
        config.save(folder.config_file)


class TrainRequest(NewRunRequest, SharedRequest):
    """Which run to begin, with which images and settings, or to resume."""

    name: ClassVar[str] = "train"

    resume: Annotated[bool, Option("continue where the run stopped")] = False
    no_embed: Annotated[bool, Option("do not embed at the end")] = False
    slurm: Annotated[
        str,
        Option(
            "submit it as a Slurm job, which is requeued and goes on where it ends too early; "
            "gpus, cpus and nodes count per machine, cluster=local tries it here",
            metavar="partition=P,gpus=N,time=T,...",
        ),
    ] = ""
    dry_run: Annotated[bool, Option("with --slurm: print the sbatch script, submit nothing")] = (
        False
    )
    sweep: Annotated[
        tuple[str, ...],
        Option(
            "train a run for every combination of these, in folders within RUN, one after the "
            "other or as an array of jobs: z_dim=2,8 seed=0..2",
            metavar="NAME=VALUES",
            many=True,
        ),
    ] = ()

    @property
    def resumes(self) -> bool:
        """Whether a run is to go on."""
        return self.resume

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> Path:
        """Train, then embed; return what was written last; see `Request.run`."""
        return _path_at_the_end(self.records(cancelled), progress)

    def records(self, cancelled: Cancel = never) -> Iterator[Record]:
        """Train and embed, yielding records of how far it is; raises as `run`."""
        if self.slurm:
            yield from submitted(self)
            return
        if self.sweep:
            yield from one_after_the_other(self, cancelled)
            return
        if self.is_shared:
            yield from self.shared_records(self.folder, cancelled)
            return
        with this_rank() as ranks:
            cancelled = never_asked(ranks, cancelled)
            begun = self._beginning() if ranks is None or ranks.is_first else None
            yield from _of_first(ranks, self._records(begun, cancelled, ranks))

    def runs(self) -> list[TrainRequest]:
        """Return the request of each run of a sweep; of none, the one run."""
        alone = self.model_copy(update={"sweep": (), "slurm": "", "dry_run": False})
        if not self.sweep:
            return [alone]
        swept = sweep_of(self.sweep)
        return [alone.one_of_sweep(name, settings) for name, settings in swept.items()]

    def one_of_sweep(self, name: str, settings: tuple[str, ...]) -> TrainRequest:
        """Return the request of a run in a folder within this one's, gone on with where begun."""
        folder = self.folder / name
        changes: dict[str, object] = {"settings": (*self.settings, *settings)}
        if RunFolder(folder).begun:
            changes = {"resume": True, "settings": (), "preset": None, "config": None, "data": None}
        elif RunFolder(folder).is_run():  # submitted, and not begun
            changes = {"settings": (), "preset": None, "config": None, "data": None}
        return self.model_copy(update={"folder": folder, **changes})

    def script(self) -> str:
        """Return the sbatch script of the job, or of the array of a sweep."""
        options, runs = SlurmOptions.parse(self.slurm), len(self.runs())
        return script(options, self.folder / SUBMITTED, runs)

    def settle(self) -> Iterator[Record]:
        """Make the folder of the run with its settings, ahead of its training elsewhere."""
        from tvae_core.runs.begin import begin

        folder = RunFolder(self.folder)
        if (job := live_job(folder.path)) is not None:
            todo = f"tvae jobs {folder.path} --cancel"
            raise TrainingError(f"the run is {job.words}", folder.path, todo)
        config, chosen = self._config_and_choice()
        if config is not None:
            yield from begin(folder, config, anyway=True)  # the machine of the job is another
            if chosen is not None:
                chosen.save(folder.chosen_file)
                yield from chosen.records()

    def _beginning(self) -> tuple[RunConfig | None, Beginning]:
        """Return the settings of a new run, None for one that was begun, and how it begins."""
        config, chosen = self._config_and_choice()
        images_at = self.images_at or ((self.data or "") if config is None else "")
        return config, Beginning(self.resume, images_at, self.anyway, chosen)

    def _records(
        self,
        begun: tuple[RunConfig | None, Beginning] | None,
        cancelled: Cancel,
        ranks: Ranks | None,
    ) -> Iterator[Record]:
        """Train and embed; a rank that is not the first learns from it how the run begins."""
        folder, and_embed = RunFolder(self.folder), not self.no_embed
        if begun is not None:
            yield from train_and_embed(folder, *begun, and_embed, cancelled, ranks)
        elif ranks is not None:
            images_at = ranks.told("")
            how = Beginning(self.resume, images_at)
            yield from trained_and_embedded(folder, how, and_embed, cancelled, ranks)


def submitted(request: TrainRequest) -> Iterator[Record]:
    """Submit the run or the runs of a request to Slurm; yield what is to be said, and the end.

    Raises
    ------
    TvaeError
        A run cannot be begun, or Slurm cannot be reached.
    """
    began, options = time.monotonic(), SlurmOptions.parse(request.slurm)
    if request.dry_run:
        yield Remark(request.script())
        return
    executor = executor_of(options, request.folder / SUBMITTED)  # before anything is written
    runs = [one for one in request.runs() if not RunFolder(one.folder).store.exists()]
    for one in runs:
        yield from one.settle()
    if not runs:
        raise TrainingError("every run has its store already", request.folder, "nothing is left")
    words = ["--no-embed"] if request.no_embed else []
    words += ["--images-at", request.images_at] if request.images_at else []
    folders = [one.folder for one in runs]
    jobs = submit(executor, options, folders, words, request.devices)
    for folder, job in zip(folders[:-1], jobs[:-1], strict=True):
        yield Remark(f"{folder}: {job.words}")
    yield Finished(str(folders[-1]), jobs[-1].words, time.monotonic() - began)


def one_after_the_other(request: TrainRequest, cancelled: Cancel) -> Iterator[Record]:
    """Train the runs of a sweep that are not done, then say how they compare."""
    began, runs = time.monotonic(), request.runs()
    for number, one in enumerate(runs, 1):
        folder = RunFolder(one.folder)
        if folder.store.exists():
            continue
        yield Remark(f"run {number} of {len(runs)}: {folder.path}")
        for record in one.records(cancelled):
            if not isinstance(record, (Step, Embedded)):
                folder.log(record.to_json())
            if not isinstance(record, Finished):
                yield record
    for one in runs:
        found = summarise(one.folder)
        best = "no ELBO" if found.best_elbo is None else f"ELBO {found.best_elbo:.2f}"
        learned = "" if found.verdict is None else f", learned {found.verdict.learned}"
        yield Remark(f"{found.name}: {best}{learned}")
    said = f"{count(len(runs), 'run')} of the sweep done"
    yield Finished(str(request.folder), said, time.monotonic() - began)


class Beginning(NamedTuple):
    """How a run is begun or goes on.

    Resumed, from images elsewhere, whatever speaks against it, with settings that were chosen.
    """

    resume: bool = False
    images_at: str = ""
    anyway: bool = False
    chosen: Recommendation | None = None


def train_and_embed(
    folder: RunFolder,
    config: RunConfig | None,
    how: Beginning,
    and_embed: bool,
    cancelled: Cancel,
    ranks: Ranks | None = None,
) -> Iterator[Record]:
    """Begin the run of `config`, or go on with one that was begun; train, then write its store.

    Raises
    ------
    Cancelled
        `cancelled()` turned true; a checkpoint was written.
    TrainingError
        Another process works on the run.
    """
    from tvae_core.runs.begin import begin

    with ExitStack() as held:  # the lock of the run, from its beginning to its store
        if config is None:
            held.enter_context(folder.locked(wait_s=1.0))
        else:
            remarks = list(begin(folder, config, how.anyway, held))  # makes the folder, or refuses
            if how.chosen is not None:
                how.chosen.save(folder.chosen_file)
                yield from how.chosen.records()
            yield from remarks
        if ranks is not None:
            ranks.told(how.images_at)
        yield from trained_and_embedded(folder, how, and_embed, cancelled, ranks)


def trained_and_embedded(
    folder: RunFolder, how: Beginning, and_embed: bool, cancelled: Cancel, ranks: Ranks | None
) -> Iterator[Record]:
    """Train a run whose folder is there, then write its store; raises as `train_and_embed`."""
    from tvae_core.engine.together.ranks import ALONE
    from tvae_core.engine.training.train import train
    from tvae_core.engine.using.embed import embed

    ranks = ranks or ALONE
    for record in train(folder, how.resume, cancelled, how.images_at, ranks):
        if not (and_embed and isinstance(record, Finished)):
            yield record
    if and_embed:
        yield from embed(folder, cancelled=cancelled, images_at=how.images_at, ranks=ranks)


def _of_first(ranks: Ranks | None, records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records of rank 0; the work of the others goes on in silence."""
    for record in records:
        if ranks is None or ranks.is_first:
            yield record


def _path_at_the_end(records: Iterator[Record], progress: Progress) -> Path:
    path = ""
    for record in records:
        if isinstance(record, Finished):
            path = record.path
        elif isinstance(record, Epoch):
            progress((record.epoch + 1) / record.epochs, "training")
        elif isinstance(record, Embedded):
            progress(record.done / record.total, "embedding")
    return Path(path)
