"""The images selected, upright, with their average and spread."""
