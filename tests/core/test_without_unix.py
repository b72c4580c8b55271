"""Reading, writing, locking and beginning a run work without the calls that only Unix has."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

HOUSE = Path(__file__).resolve().parents[2]
SMALL = ("core/test_store.py", "core/test_sidecar.py", "core/images/test_array_files.py")


def test_a_small_set_passes_with_those_calls_hidden() -> None:
    files = [str(HOUSE / "tests" / name) for name in SMALL]
    done = subprocess.run(
        [sys.executable, str(HOUSE / "tests" / "without_unix.py"), "-n0", *files],
        capture_output=True, text=True, check=False, cwd=HOUSE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("kind", ["lzw", "zstd", "png"])
def test_what_imagecodecs_alone_reads_is_one_line_where_it_is_not(
    kind: str, tmp_path: Path
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    path = tmp_path / ("a.png" if kind == "png" else "a.tif")
    images = np.random.default_rng(0).integers(0, 60_000, (5, 16, 16, 3)).astype(np.uint16)
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(images[0]))
    else:
        tifffile.imwrite(path, images[..., 0], compression=kind, photometric="minisblack")
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from tvae_core.cli.main import main; sys.exit(main(['info', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert "pip install 'target-vae[images]'" in done.stderr
