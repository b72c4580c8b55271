"""What the window's file dialogs offer."""

from __future__ import annotations


def image_filters() -> str:
    """Return the filters of a dialog that asks for images, a kind each."""
    from tvae_core.images.registry import file_filters  # every reader: not before it is needed

    return file_filters()
