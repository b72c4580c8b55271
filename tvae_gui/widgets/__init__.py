"""Pieces that several rooms are made of."""
