"""What the plane can be coloured by: columns of the particle table among them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.factories import particle_store
from tvae_core.columns import MOST_CLASSES, Column, column_values, columns_of
from tvae_core.store import EmbeddingStore
from tvae_gui.state.scatter_frame import colour_range

HEAD = """data_optics
loop_
_rlnOpticsGroup
_rlnImagePixelSize
_rlnVoltage
_rlnSphericalAberration
_rlnAmplitudeContrast
1 1.5 300 2.7 0.1

data_particles
loop_
_rlnImageName
_rlnOpticsGroup
_rlnMicrographName
_rlnDefocusU
_rlnDefocusV
_rlnDefocusAngle
_rlnAnglePsi
_rlnAngleTilt
"""


def store_of(folder: Path, micrographs: int) -> EmbeddingStore:
    rows = [
        f"{i + 1}@a.mrcs 1 m{i % micrographs}.mrc {10000 + i} {9000 + i} {i / 2} {2 * i - 200} {i}"
        for i in range(200)
    ]
    table = folder / "t.star"
    table.write_text(HEAD + "\n".join(rows) + "\n")
    return EmbeddingStore(particle_store(folder / "e.h5", table))


def named(store: EmbeddingStore) -> dict[str, Column]:
    return {column.title: column for column in columns_of(store, {}, ())}


def test_the_tables_columns_are_listed_with_their_units(tmp_path: Path) -> None:
    with store_of(tmp_path, 4) as store:
        columns = named(store)
        defocus = columns["table: defocus u"]
        assert (defocus.kind, defocus.unit) == ("magnitude", "Å")
        values = column_values(store, {}, defocus.key)
        assert values.tolist() == [10000 + i for i in range(200)]
        assert columns["table: astigmatism angle"].kind == "magnitude"  # turns by half turns
        assert columns["table: angle tilt"].unit == "°"
        assert "table: voltage" not in columns  # one value for all says nothing


def test_angles_are_shown_as_angles(tmp_path: Path) -> None:
    with store_of(tmp_path, 4) as store:
        psi = named(store)["table: angle psi"]
        assert psi.kind == "cyclic"
        values = column_values(store, {}, psi.key)
        assert values.min() >= -np.pi
        assert values.max() < np.pi
        expected = np.deg2rad(2.0 * np.arange(200) - 200)
        np.testing.assert_allclose(np.exp(1j * values), np.exp(1j * expected), atol=1e-5)


@pytest.mark.parametrize(("micrographs", "kind"), [(4, "class"), (MOST_CLASSES + 1, "magnitude")])
def test_micrographs_are_classes_while_they_are_few(
    tmp_path: Path, micrographs: int, kind: str
) -> None:
    with store_of(tmp_path, micrographs) as store:
        found = [c for c in columns_of(store, {}, ()) if c.key.endswith("/micrograph")]
        assert [column.kind for column in found] == [kind]
        values = column_values(store, {}, found[0].key)
        assert values.tolist() == [i % micrographs for i in range(200)]
        if kind == "class":
            assert found[0].names == tuple(f"m{i}.mrc" for i in range(micrographs))


def test_joined_columns_of_every_kind_have_numbers_to_colour_by(tmp_path: Path) -> None:
    few = np.array([f"w{i % 3}" for i in range(200)])
    few[7] = ""  # an image that no row was found for
    joined = {
        "few": few,
        "many": np.array([f"name {i:03d}" for i in range(200)]),
        "flag": np.arange(200) % 2 == 0,
        "huge": np.arange(200) * 1e39,
        "odd": np.where(np.arange(200) == 3, np.inf, np.nan),
    }
    with store_of(tmp_path, 4) as store, warnings.catch_warnings():
        warnings.simplefilter("error")
        columns = {c.key: c for c in columns_of(store, joined, ())}
        values = {name: column_values(store, joined, f"joined/{name}") for name in joined}
    assert columns["joined/few"].names == ("w0", "w1", "w2")
    assert values["few"][[0, 1, 7]].tolist() == [0, 1, -1]
    assert columns["joined/many"].kind == "magnitude"
    assert values["many"].tolist() == list(range(200))
    assert np.all(np.diff(values["huge"]) > 0)
    for column, numbers in ((columns[f"joined/{name}"], values[name]) for name in joined):
        low, high = colour_range(numbers, column)
        assert low < high
