"""New runs, and the runs that train: form, look at the images, cost, progress."""
