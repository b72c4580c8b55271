"""Icons, presets and the example store, shipped with the program."""
