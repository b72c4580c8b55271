"""TARGET-VAE from Python: content, rotation and shift of every image, learned without labels.

    import tvae_core as tvae

    run = tvae.fit(images, out="run", z_dim=2)
    store = run.store
    table = store.to_dataframe()
    picture = store.decode(store.z[0], angle_rad=0.5)

Importing this costs milliseconds: what is named here is loaded when it is first used, and torch
when something is trained, embedded or decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvae_core.api.estimator import TargetVAE
    from tvae_core.api.runs import Run, fit, open_run, recommend
    from tvae_core.api.stores import Store, open_store
    from tvae_core.errors import TvaeError

    __version__: str

__all__ = [
    "Run",
    "Store",
    "TargetVAE",
    "TvaeError",
    "__version__",
    "fit",
    "open_run",
    "open_store",
    "recommend",
]

_PLACES = {
    "Run": "tvae_core.api.runs",
    "Store": "tvae_core.api.stores",
    "TargetVAE": "tvae_core.api.estimator",
    "TvaeError": "tvae_core.errors",
    "fit": "tvae_core.api.runs",
    "open_run": "tvae_core.api.runs",
    "open_store": "tvae_core.api.stores",
    "recommend": "tvae_core.api.runs",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for the first time it is."""
    if name == "__version__":
        value: Any = _version()
    elif name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what can be used, loaded or not."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("target-vae")
    except PackageNotFoundError:  # a source tree on the path, not installed
        return "0+unknown"
