"""The card of poses: self-test, symmetry, mirror images."""
