"""Find the objects of larger images with a trained run."""
