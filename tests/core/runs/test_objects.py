"""A run on a large image: its objects are cut out, kept with their places, learned from."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.core.images.test_picking import field
from tvae_core.images.opening import open_stack
from tvae_core.images_of import open_images_of
from tvae_core.runs.folder import RunFolder
from tvae_core.store import EmbeddingStore
from tvae_core.work.train import EmbedRequest, TrainRequest

QUICK = (
    *("train.epochs=1", "model.encoder_kernels=4", "model.generator_hidden=8"),
    *("model.fourier_features=8", "model.rotations=4", "train.threads=1"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("field")
    pixels, _ = field(side=400, objects=40.0)
    np.save(folder / "field.npy", np.rint(255 * pixels).astype(np.uint8))
    request = TrainRequest(folder=folder / "run", data=str(folder / "field.npy"), settings=QUICK)
    assert request.run().name == "embeddings.h5"
    return folder


def test_its_objects_are_its_images_with_their_places_in_the_field(trained: Path) -> None:
    run = RunFolder(trained / "run")
    config = run.config()
    box = config.data.box_px
    assert (config.data.pick, Path(config.data.path).parent) == ("yes", run.objects)
    pixels = np.load(trained / "field.npy")
    with open_stack(config.data.path) as stack:
        assert stack.height == box
        table = stack.table
        assert table is not None
        columns, rows = table.numbers("rlnCoordinateX"), table.numbers("rlnCoordinateY")
        assert set(table.column("rlnMicrographName")) == {"field.npy"}
        images = stack.read(np.arange(len(stack)))
    for image, row, column in zip(images, rows.astype(int), columns.astype(int), strict=True):
        top, left = row - box // 2, column - box // 2
        assert (image == pixels[top : top + box, left : left + box]).all()


def test_the_model_sees_values_as_the_field_has_them(trained: Path) -> None:
    data = RunFolder(trained / "run").config().data
    assert (data.range, data.black, data.full_scale) == ("set", 0.0, 255.0)


def test_the_recommendation_says_how_many_objects_and_which_box(trained: Path) -> None:
    from tvae_core.runs.recommend import recommend

    found = recommend(trained / "field.npy")
    said = "\n".join(found.lines())
    assert "objects about" in said
    assert f"data.box_px={found.config.data.box_px}" in said
    assert "--box-px" in said
    other = recommend(trained / "field.npy", given=["data.box_px=40"])
    assert other.config.data.box_px == 40
    assert other.facts.side == 40


def test_the_store_knows_the_places_and_the_images_wherever_the_run_lies(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "run", tmp_path / "elsewhere")
    with EmbeddingStore(tmp_path / "elsewhere" / "embeddings.h5") as store:
        hidden = trained / "run" / "objects"
        hidden.rename(trained / "run" / "gone")
        try:
            images = open_images_of(store)
            assert Path(images.path).is_relative_to(tmp_path)
            assert images.read([0]).shape[1:] == (images.height, images.width)
            images.close()
        finally:
            (trained / "run" / "gone").rename(hidden)


def test_another_field_is_embedded_by_the_objects_in_it(trained: Path, tmp_path: Path) -> None:
    pixels, truth = field(side=300, objects=20.0, seed=5)
    np.save(tmp_path / "other.npy", np.rint(255 * pixels).astype(np.uint8))
    request = EmbedRequest(
        folder=trained / "run", data=str(tmp_path / "other.npy"), output=tmp_path / "other.h5"
    )
    with EmbeddingStore(request.run()) as store:
        assert len(store) == pytest.approx(len(truth), abs=4)


def test_objects_in_colour_are_kept_in_colour(tmp_path: Path) -> None:
    pixels, _ = field(side=400, objects=40.0)
    coloured = pixels[..., None] * np.array([200, 40, 120], np.float32)
    np.save(tmp_path / "field.npy", np.rint(coloured)[None].astype(np.uint8))
    request = TrainRequest(
        folder=tmp_path / "run", data=str(tmp_path / "field.npy"), settings=QUICK, no_embed=True
    )
    request.run()
    run = RunFolder(tmp_path / "run")
    with open_stack(run.config().data.path) as stack:
        assert stack.channels == 3
        assert len(stack) > 20
    assert (run.objects / "picks.star").is_file()
