"""The engine and everything that needs no window."""
