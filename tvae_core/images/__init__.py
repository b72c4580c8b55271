"""Stacks of images of every kind that is read, and what is done to them before the model."""
