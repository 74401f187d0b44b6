"""The geometry of a convolution: options become integers, once."""
