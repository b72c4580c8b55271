"""The lifting convolution onto the rotation group: filters, two ways to apply them, the CTF."""
