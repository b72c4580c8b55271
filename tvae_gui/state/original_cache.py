"""Originals read for a gallery: those used last stay, within so many bytes. Plain Python."""

from __future__ import annotations

from collections import OrderedDict

MOST_BYTES = 96 << 20


class OriginalCache:
    """Coloured pixels of images by number; the ones used longest ago go first.

    Attributes
    ----------
    bytes : int
        What all of them take.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def get(self, number: int) -> bytes | None:
        """Return the pixels of an image, None where there is none."""
        found = self._kept.get(number)
        if found is not None:
            self._kept.move_to_end(number)
        return found

    def put(self, number: int, pixels: bytes) -> None:
        """Keep pixels; others go where there is no room for them."""
        self.bytes += len(pixels) - len(self._kept.pop(number, b""))
        self._kept[number] = pixels
        while self.bytes > self._most and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= len(gone)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self.bytes = 0
