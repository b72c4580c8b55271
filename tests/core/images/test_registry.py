"""One line an image kind: what opening, dialogs and the docs are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.core.images.makers import KINDS as MADE
from tests.core.images.makers import mrc_bytes, save
from tvae_core.errors import ImageFileError
from tvae_core.images.mrc import SUFFIXES as MRC_SUFFIXES
from tvae_core.images.opening import open_stack
from tvae_core.images.registry import (
    KINDS,
    file_filters,
    kind_of_content,
    kind_of_name,
    markdown,
    readable,
)

IMAGES = np.random.default_rng(0).integers(0, 128, (7, 5, 6), dtype=np.uint8)
DOCS = Path(__file__).parents[3] / "docs" / "image-files.md"


def test_no_two_kinds_claim_a_name():
    endings = [ending for kind in KINDS for ending in kind.every_ending]
    assert len(endings) == len(set(endings))
    assert all(ending == ending.lower() for ending in endings)
    for kind in KINDS:
        for ending in kind.every_ending:
            assert [k for k in KINDS if k.takes(f"A{ending.upper()}")] == [kind]


@pytest.mark.parametrize("made", [kind for kind in MADE if kind != "-folder"])
def test_the_content_of_a_file_says_what_its_name_says(tmp_path, made):
    path = save(made, tmp_path, IMAGES)
    kind = kind_of_name(path.name)
    assert kind is not None
    assert kind_of_content(path) is kind


def test_each_kind_has_a_file_in_the_tests():
    made = {kind_of_name(f"stack{ending}") for ending in MADE} | {kind_of_name("a.png")}
    assert made >= set(KINDS)


def test_text_and_nothing_are_no_images(tmp_path):
    for name, content in (("a", b"Dear reader,\n" * 400), ("b", b""), ("c", bytes(5000))):
        (tmp_path / name).write_bytes(content)
        assert kind_of_content(tmp_path / name) is None


def test_a_file_without_a_telling_name_is_told_what_it_is(tmp_path):
    for made, words, ending in (
        (".mrcs", "MRC stack", ".mrc"),
        (".tif", "TIFF stack", ".tif"),
        (".mrcs.gz", "MRC stack", ".mrc"),
        (".h5", "HDF5 file", ".h5"),
    ):
        save(made, tmp_path, IMAGES).rename(tmp_path / "nameless")
        with pytest.raises(ImageFileError, match=f"content is that of a {words}.*ends in {ending}"):
            open_stack(tmp_path / "nameless")


@pytest.mark.parametrize("suffix", MRC_SUFFIXES)
def test_every_name_of_an_mrc_stack_is_read(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(mrc_bytes(IMAGES.astype(np.int8)))
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.read(np.arange(7)), IMAGES)


def test_dialogs_help_and_docs_name_every_ending():
    for kind in KINDS:
        for ending in kind.endings:
            assert f"*{ending}" in file_filters()
            assert ending in readable()
    assert file_filters().startswith("Images (")
    assert markdown() in DOCS.read_text(encoding="utf-8")
