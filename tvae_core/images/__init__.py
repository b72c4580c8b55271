"""Stacks of images of every kind that is read, and what is done to them before the model."""

from __future__ import annotations

from tvae_core.images.inspect import describe
from tvae_core.images.opening import open_stack
from tvae_core.images.prepared import PreparedStack, open_prepared
from tvae_core.images.preprocess import Preprocessor
from tvae_core.images.stack import ImageStack, Sources

__all__ = [
    "ImageStack",
    "PreparedStack",
    "Preprocessor",
    "Sources",
    "describe",
    "open_prepared",
    "open_stack",
]
