"""What ships with the program: presets, icons, the example store.

They are the package `tvae_resources`, which is the folder `resources/` of a checkout.
"""

from __future__ import annotations

import sys
from importlib import resources
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "tvae_resources"
_CHECKOUT = Path(__file__).resolve().parents[1]


def shipped(*parts: str) -> Path:
    """Return where something is that ships with the program; of a checkout, its own.

    Raises
    ------
    ModuleNotFoundError
        The program is neither installed nor run from a checkout.
    """
    if NAME not in sys.modules and (_CHECKOUT / "pyproject.toml").is_file():
        _name_the_folder(_CHECKOUT / "resources")
    return Path(str(resources.files(NAME).joinpath(*parts)))


def documents() -> Path:
    """Return the folder of the documents: `docs/` of a checkout, else the copy that ships."""
    own = _CHECKOUT / "docs"
    return own if (_CHECKOUT / "pyproject.toml").is_file() and own.is_dir() else shipped("docs")


def _name_the_folder(folder: Path) -> None:
    """Let `tvae_resources` be a folder that no installation knows under that name."""
    init = folder / "__init__.py"
    spec = spec_from_file_location(NAME, init, submodule_search_locations=[str(folder)])
    if spec is not None and spec.loader is not None and init.is_file():
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[NAME] = module
