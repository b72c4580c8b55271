"""Subsets as image stacks, tables and movies: written aside, read back, counted, renamed."""
