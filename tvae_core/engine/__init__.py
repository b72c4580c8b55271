"""Everything that imports torch.

Its rooms, from the floor up: lifting, model, using, judging, training and detection.
"""
