"""The open store and what the user adds to it; the stores opened lately."""
