"""The network: encoder, posterior q(t, r, z), generator, likelihood; the systems compared with."""
