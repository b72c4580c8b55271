"""Fit a model: one step, the loop around it, what is measured on the way, checkpoints."""
