"""Asking whether poses can be trusted: the self-test, mirror images, rotational symmetry."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tvae_core.errors import ConfigError, StoreError
from tvae_core.export.target import new_file, refuse_existing
from tvae_core.images_of import IMAGES_AT
from tvae_core.progress import Cancel
from tvae_core.store import Atlas, EmbeddingStore
from tvae_core.work.choosing import STORE, named_set
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

if TYPE_CHECKING:
    from tvae_core.analysis.mirror import AtlasMirrors
    from tvae_core.analysis.symmetry import SetSymmetry
    from tvae_core.analysis.trust import InvarianceReport
    from tvae_core.engine.judging.selftest import SelfTestSize

_MEMBERS = 64
_FEWEST_ANGLES = 48


class SelfTestRequest(Request):
    """How much of a run's own images is turned and shifted, and where the report goes."""

    name: ClassVar[str] = "selftest"

    store: Annotated[Path, Place(STORE)]
    images: Annotated[
        int, Option("number of images; 0: 48, with --full 256", metavar="N"), Field(ge=0)
    ] = 0
    turns: Annotated[
        int, Option("turns per image; 0: 16, with --full 160", metavar="N"), Field(ge=0)
    ] = 0
    full: Annotated[bool, Option("as in the paper's appendix A.3")] = False
    images_at: Annotated[str, Option(IMAGES_AT, metavar="PATH", old=("--data",))] = ""
    seed: Annotated[
        int, Option("seed of the choice of images and turns", metavar="N"), Field(ge=0)
    ] = 0
    device: Annotated[
        str, Option("auto, cpu, cuda or cuda:N; by default that of the run", metavar="NAME")
    ] = ""
    report: Annotated[Path | None, Option("also write everything as JSON", metavar="FILE")] = None
    overwrite: Annotated[bool, Option("replace FILE")] = False

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> InvarianceReport:
        """Test, and write the report where one is asked for; see `Request.run`."""
        from tvae_core.engine.device import set_threads

        if self.report is not None:
            refuse_existing(self.report, self.overwrite)
        with EmbeddingStore(self.store) as store:
            set_threads(store.header.config.train.threads)
        found = self.test(progress, cancelled)
        if self.report is not None:
            with new_file(self.report, self.overwrite) as part:
                part.write_text(json.dumps(found.as_dict(), indent=2) + "\n", encoding="utf-8")
        return found

    def test(self, progress: Progress = quiet, cancelled: Cancel = never) -> InvarianceReport:
        """Test with the threads there are and write nothing; raises as `run`."""
        from tvae_core.engine.judging.selftest import selftest

        with EmbeddingStore(self.store) as store:
            return selftest(
                store, self._size(), self.images_at,
                lambda share: progress(share, "images"), cancelled, self.device,
            )  # fmt: skip

    def _size(self) -> SelfTestSize:
        from tvae_core.engine.judging.selftest import SelfTestSize

        size = SelfTestSize.full() if self.full else SelfTestSize()
        images, turns = self.images or size.images, self.turns or size.turns
        return replace(size, images=images, turns=turns, seed=self.seed)


@dataclass(frozen=True)
class MirrorsFound:
    """The mirror partners of the nodes of an atlas."""

    mirrors: AtlasMirrors
    atlas: Atlas


class MirrorRequest(Request):
    """In which run to look for regions whose objects are each other's mirror image."""

    name: ClassVar[str] = "mirror"

    store: Annotated[Path, Place(STORE)]
    least: Annotated[int, Option("smallest region to list, in nodes", metavar="N"), Field(ge=1)] = 2

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> MirrorsFound:
        """Compare the decoded images of the atlas; see `Request.run`."""
        from tvae_core.analysis.mirror import atlas_mirrors

        with EmbeddingStore(self.store) as store:
            atlas = store.atlas
            if atlas is None:
                todo = "embed with --atlas-nodes 24"
                raise StoreError("the run has no atlas", store.path, todo)
            xy = store.z_mean if atlas.plane == "z" else store.plane(atlas.plane).coordinates
            found = atlas_mirrors(
                atlas.images, atlas.x, atlas.y, xy, self.least,
                lambda share: progress(share, "mirror images"), cancelled,
            )  # fmt: skip
        return MirrorsFound(found, atlas)


@dataclass(frozen=True)
class SymmetryFound:
    """The symmetry of a mean content z (D,), and of `members` of the `images` it is the mean of."""

    whole: SetSymmetry
    z: NDArray[np.floating[Any]]
    images: int
    members: int


class SymmetryRequest(Request):
    """Of which contents the rotational symmetry is wanted: a content, a set, or all."""

    name: ClassVar[str] = "symmetry"

    store: Annotated[Path, Place(STORE)]
    named_set: Annotated[
        str | None, Option("a named set", flag="--set", metavar="NAME", group="chosen")
    ] = None
    z: Annotated[
        tuple[float, ...] | None,
        Option("a content", metavar="Z1,Z2", group="chosen"),
        Field(min_length=1),
    ] = None
    angles: Annotated[int, Option("angles over one turn", metavar="N")] = 360

    def run(self, progress: Progress = quiet, cancelled: Cancel = never) -> SymmetryFound:
        """Decode the mean content at every angle, and some of the contents; see `Request.run`."""
        from tvae_core.analysis.symmetry import (
            symmetries_of_contents,
            symmetry_of_decoder,
            symmetry_of_set,
        )
        from tvae_core.engine.using.decode import Decoder

        if self.angles < _FEWEST_ANGLES:
            raise ConfigError(
                f"--angles {self.angles} is too few", todo=f"{_FEWEST_ANGLES} or more"
            )
        with EmbeddingStore(self.store) as store:
            decoder = Decoder.from_store(store)
            z = self._contents(store)
        middle = z.mean(0)
        mean = symmetry_of_decoder(
            lambda angle: decoder.decode(np.repeat(middle[None], len(angle), 0), angle), self.angles
        )
        progress(0.5, "symmetry")
        some = z[np.unique(np.linspace(0, len(z) - 1, _MEMBERS).astype(int))]
        members = symmetries_of_contents(decoder.decode(some), self.angles)
        return SymmetryFound(symmetry_of_set(mean, members), middle, len(z), len(some))

    def _contents(self, store: EmbeddingStore) -> NDArray[np.floating[Any]]:
        if self.z is not None:
            if len(self.z) != store.z_dim:
                text = ",".join(f"{value:g}" for value in self.z)
                todo = f"{store.z_dim} are needed"
                raise ConfigError(f"{text!r} has {len(self.z)} numbers", "--z", todo)
            return np.array([self.z])
        if self.named_set is None:
            return store.z_mean
        chosen = named_set(store, self.named_set)
        if not chosen.count:
            raise ConfigError(f"no images in the set {self.named_set!r}", store.path)
        return store.z_mean[np.asarray(chosen.mask)]
