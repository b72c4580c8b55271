"""Looking at images before a run: settings that suit them, and a picture as the model sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tvae_core.config import DataConfig
from tvae_core.errors import ConfigError
from tvae_core.images.opening import open_data
from tvae_core.images.seen import as_the_model_sees, picture_of, save_picture
from tvae_core.runs.recommend import Recommendation, recommend
from tvae_core.work.request import Option, Place, Progress, Request, never, quiet

_SHOWN = 10


@dataclass(frozen=True)
class Looked:
    """What a look gave: what is recommended, and the picture that was written, if any."""

    recommendation: Recommendation
    picture: Path | None


class LookRequest(Request):
    """Which images to look at, how they are opened, and where their picture goes."""

    name: ClassVar[str] = "look"

    path: Annotated[Path, Place("images: a stack, table or folder")]
    picture: Annotated[
        Path | None,
        Option(
            "draw ten images of the whole set as the model will see them, as PNG",
            short="-o",
            metavar="FILE",
        ),
    ] = None
    overwrite: Annotated[bool, Option("replace a picture that is there")] = False
    settings: Annotated[
        tuple[str, ...],
        Option("a setting that is given; others follow it", flag="--set",
               metavar="SECTION.NAME=VALUE"),
    ] = ()  # fmt: skip
    dataset: Annotated[str, Option("data set inside an .h5 or .npz")] = ""
    image_root: Annotated[str, Option("folder that holds the stacks named in a table")] = ""
    allow_outside: Annotated[
        Literal["off", "on"], Option("the stacks of a table may lie outside its project folder")
    ] = "off"
    axes: Annotated[str, Option("letters of the axes: NYX, NCYX, NYXC, NP ...")] = ""
    channel: Annotated[str, Option("which channel, from 1, or three: 1,2,3")] = ""

    def run(self, progress: Progress = quiet, cancelled: object = never) -> Looked:
        """Look, and draw; see `Request.run`."""
        picture = self.picture
        if picture is not None and picture.exists() and not self.overwrite:
            raise ConfigError("exists already", picture, "add --overwrite, or choose another name")
        data = DataConfig(
            path=str(self.path.absolute()),
            dataset=self.dataset,
            image_root=self.image_root,
            allow_outside=self.allow_outside == "on",
            axes=self.axes,
            channel=self.channel,
        )
        found = recommend(self.path, data, self.settings)
        if picture is not None:
            with open_data(found.config.data) as stack:
                images, _ = as_the_model_sees(stack, found.config.data, _SHOWN)
            save_picture(picture, picture_of(images))
        return Looked(found, picture)
