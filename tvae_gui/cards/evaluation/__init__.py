"""The card of an evaluation: its figures and tables."""
