"""Gate 11, thinned: what embedding takes for each image more, and that it loads nothing heavy.

benchmarks/large_stack.py embeds 1,000,000 images.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.core.engine.runs import SIDE, tiny_run, write_images
from tests.trust.many import of_images, sparse_stack, take_up
from tvae_core.engine.training.train import train
from tvae_core.engine.using.embed import BLOCK, embed
from tvae_core.runs.folder import RunFolder

FEW, MANY = 16 * BLOCK, 32 * BLOCK  # in blocks of one size
# An image: 145 of columns, and 144 of thumbnails read back, which stop growing at 16 MB.
MOST_BYTES = 330


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run trained on a few images."""
    found = tiny_run(tmp_path / "run", write_images(tmp_path), "train.epochs=1")
    list(train(found))
    return found


def bytes_at_most(run: RunFolder, folder: Path, images: int) -> int:
    """Return the most memory, of arrays and objects, that an embedding takes to its end."""
    folder.mkdir()
    sparse_stack(folder / "many.npy", images, SIDE)
    take_up(run, folder / "many.npy", folder / "all.h5", embedded=2)
    tracemalloc.start()
    try:
        for _ in embed(run, folder / "all.h5", of_images(run, folder / "many.npy")):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_image_more_takes_a_few_bytes_more(run: RunFolder, tmp_path: Path) -> None:
    few, many = (bytes_at_most(run, tmp_path / str(n), n) for n in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < MOST_BYTES


def test_nothing_heavy_is_loaded_to_embed(run: RunFolder, tmp_path: Path) -> None:
    """Scikit-learn brings pandas and Arrow, 110 MB; of SciPy, the clusters alone take 28."""
    sparse_stack(tmp_path / "some.npy", 600, SIDE)
    program = (
        "import sys; from tvae_core.cli.main import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print({'scipy', 'sklearn', 'pandas', 'pyarrow', 'matplotlib', 'PyQt6'} & set(sys.modules))"
    )
    words = ["embed", str(run.path), "--data", str(tmp_path / "some.npy"), "-o", "some.h5"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["set()"]), done.stderr
