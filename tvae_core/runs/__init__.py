"""A run on disk: its folder and lock, its list and status, what it will cost."""
