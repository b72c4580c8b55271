"""The one door from a store back to the images it was made of, wherever they are now."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tvae_core.config import OBJECTS, DataConfig
from tvae_core.errors import ImageFileError, StoreError, TvaeError
from tvae_core.images.identity import NAME_THEM, KnownImages
from tvae_core.images.stack import ImageStack
from tvae_core.sidecar import Sidecar, change_sidecar, load_sidecar
from tvae_core.store import EmbeddingStore

if TYPE_CHECKING:
    from tvae_core.images.prepared import PreparedStack

IMAGES_AT = (
    "where the images are now, if they have moved: a stack, a table, or the folder that holds them"
)
_TABLES = (".star", ".cs", ".csg")


def open_images_of(store: EmbeddingStore, images_at: str = "") -> KnownImages:
    """Open the images that a store was made of, as they are in their files.

    Image i is the one that the store knows as i, wherever its source has it now; see
    `tvae_core.images.identity`.

    Parameters
    ----------
    store : EmbeddingStore
    images_at : str
        Where they are now, when they have moved; see `moved`. It is remembered in the notes on the
        store: the next time it need not be said.

    Raises
    ------
    ImageFileError
        They cannot be opened, or are not the images of this store. One that is missing or has
        changed is named when it is read.
    """
    stack = open_moved(data_of(store, images_at))
    known = KnownImages(stack, store.images_known_by, "the run embedded them")
    if images_at:
        remember(store, images_at)
    return known


def data_of(store: EmbeddingStore, images_at: str = "") -> DataConfig:
    """Return how to open a store's images: at `images_at`, else where they were found last."""
    data = in_run(store.header.config.data, Path(store.path).parent)
    return moved(data, images_at or remembered(store))


def in_run(data: DataConfig, run: Path) -> DataConfig:
    """Return how to open images that a run keeps itself, wherever its folder lies now."""
    path = Path(data.path)
    here = run / OBJECTS / path.name
    if path.parent.name != OBJECTS or path.exists() or not here.exists():
        return data
    return data.model_copy(update={"path": str(here.absolute())})


def remembered(store: EmbeddingStore) -> str:
    """Return where a store's images were found last, when they had moved; empty otherwise."""
    try:
        place = load_sidecar(store).images_at
    except StoreError:
        return ""  # whoever shows the notes says that they cannot be read
    return place if place and Path(place).exists() else ""


def remember(store: EmbeddingStore, images_at: str) -> None:
    """Keep in the notes on a store where its images were found."""
    place = str(Path(images_at).expanduser().absolute())

    def change(sidecar: Sidecar) -> None:
        sidecar.images_at = place

    if remembered(store) != place:
        with suppress(StoreError, OSError):  # notes that cannot be written: it is said again
            change_sidecar(store, change)


def open_prepared_of(
    store: EmbeddingStore, images_at: str = "", with_ctf: bool = False
) -> PreparedStack:
    """Open the images that a store was made of, as its model sees them.

    Raises
    ------
    ImageFileError
        As `open_images_of`, or the prepared images are of another size than the model's.
    ConfigError
        The run's settings do not fit the images.
    """
    from tvae_core.images.prepared import PreparedStack

    stack = open_images_of(store, images_at)
    try:
        prepared = PreparedStack(stack, store.header.config.data, with_ctf)
        found, made = (prepared.side, prepared.channels), (store.header.side, store.header.channels)
        if found != made:
            raise ImageFileError(
                f"images of {found[0]} px and {found[1]} channels, "
                f"but the run's are {made[0]} px and {made[1]}",
                stack.path,
                NAME_THEM,
            )
    except TvaeError:
        stack.close()
        raise
    return prepared


def open_moved(data: DataConfig) -> ImageStack:
    """Open the images of `data`; an error names --images-at where that is the remedy.

    Raises
    ------
    ImageFileError
        As `open_data`.
    """
    from tvae_core.images.opening import open_data  # every reader: not before it is needed

    if not data.path:  # an empty path would be the folder that the program was started in
        raise ImageFileError("nothing says where the images are", "", NAME_THEM)
    try:
        return open_data(data)
    except ImageFileError as error:
        if error.todo and "image_root" not in error.todo:
            raise
        raise ImageFileError(error.what, error.where, NAME_THEM) from error


def refuse_sources(store: EmbeddingStore, target: Path, images_at: str = "") -> None:
    """Raise an ImageFileError when `target` is, or holds, a file that a store's images lie in."""
    if not target.exists():
        return
    data, real = data_of(store, images_at), target.resolve()
    root = Path(data.path).absolute()
    folder = root if root.is_dir() else root.parent
    roots = [folder, *folder.parents]
    if data.image_root:
        roots.insert(0, Path(data.image_root).absolute())
    named = [file for file in store.source_files if Path(file).name == real.name]
    files = [top / form for file in named for top in roots for form in (file, real.name)]
    places = [root, *(file for file in files if file.exists())]
    if any(real == place.resolve() or real in place.resolve().parents for place in places):
        what = "holds images of this run" if real.is_dir() else "is a file of this run's images"
        raise ImageFileError(f"{what}; it is not replaced", target, "choose another name")


def images_are_there(store: EmbeddingStore) -> bool:
    """Return whether something is where a store's images were found last."""
    data = data_of(store)
    return bool(data.path) and Path(data.path).exists()


def table_of(store: EmbeddingStore, images_at: str = "") -> str:
    """Return where the particle table of a store is, when it has moved; empty where it was."""
    place = images_at or remembered(store)
    path = moved(store.header.config.data, place).path if place else ""
    return path if path.lower().endswith(_TABLES) else images_at


def moved(data: DataConfig, images_at: str) -> DataConfig:
    """Return how to open images that lie at `images_at` now.

    A file is the stack or table itself. A folder holds it under its old name; where it does not,
    it holds the stacks of a table that is still where it was, or the pictures themselves.
    """
    if not images_at:
        return data
    place, before = Path(images_at).expanduser(), Path(data.path)
    inside = place / before.name
    if place.is_dir() and before.name and inside.exists():
        place = inside
    elif place.is_dir() and before.suffix.lower() in _TABLES and before.is_file():
        return data.model_copy(update={"image_root": str(place)})
    root = data.image_root if Path(data.image_root).is_dir() else ""
    return data.model_copy(update={"path": str(place), "image_root": root})
