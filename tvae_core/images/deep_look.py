"""How far a look at every image has come, kept in the cache folder, so that it goes on later.

It is kept under the images' sources and the size and date of each file: other images begin anew.
Nothing is kept of a look that came to its end.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tvae_core.caches import cache_folder
from tvae_core.files import parsed_json, write_bytes
from tvae_core.images.identity import dated
from tvae_core.images.stack import ImageStack
from tvae_core.images.values import ValueFacts

_EVERY_S = 10.0
_SHARE = 0.02  # of the time may go into keeping
_VERSION = 1


class KeptLook:
    """A look at every image of a stack that can be stopped or killed and goes on.

    Parameters
    ----------
    stack : ImageStack
    """

    def __init__(self, stack: ImageStack) -> None:
        sources, digest = stack.sources(), hashlib.sha256()
        told = [_VERSION, str(stack.dtype), list(stack.form.image_shape), sources.files]
        told.append(list(dated(stack.pixel_files())))
        digest.update(json.dumps(told).encode("utf-8", "surrogateescape"))
        digest.update(np.ascontiguousarray(sources.file_index).data)
        digest.update(np.ascontiguousarray(sources.image_index).data)
        self.file: Path = cache_folder() / "looks" / f"{digest.hexdigest()[:32]}.npz"
        self._saved_at = time.monotonic()
        self._took_s = 0.0

    def load(self) -> ValueFacts | None:
        """Return what was found before, None where nothing is kept or it is damaged."""
        try:
            with open(self.file, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                values, spans = parsed_json(str(arrays["facts"])), arrays["spans"]
            return ValueFacts(**values, spans=[spans] if len(spans) else [])
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def save_when_due(self, facts: ValueFacts) -> None:
        """Keep what was found, now and then."""
        if time.monotonic() - self._saved_at > max(_EVERY_S, self._took_s / _SHARE):
            self.save(facts)

    def save(self, facts: ValueFacts) -> None:
        """Keep what was found; a folder that cannot be written costs the way done so far."""
        began = time.monotonic()
        spans = np.concatenate([np.zeros((0, 2)), *facts.spans])
        facts.spans = [spans] if len(spans) else []
        values = {name: value for name, value in asdict(facts).items() if name != "spans"}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, facts=np.array(json.dumps(values)), spans=spans)
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.file, buffer.getvalue())
        self._saved_at = time.monotonic()
        self._took_s = self._saved_at - began

    def forget(self) -> None:
        """Keep nothing any more."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)
