"""The result of an evaluation on disk: `evaluation.json`, its table and pictures, the truth."""
