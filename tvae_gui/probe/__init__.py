"""The point one drags across the plane, and the object decoded at it."""
