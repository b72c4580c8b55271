"""Several processes that train one run, each on a device of its own: torch's own engine."""
