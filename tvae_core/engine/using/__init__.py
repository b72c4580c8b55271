"""Use a trained run: infer content and pose, decode contents, write the store."""
