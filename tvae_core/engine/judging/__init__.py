"""Judge a run: on images held out, and on its own images turned and shifted."""
