"""``convcli check``: verify gradients, and compare the user's tensors with convcli's."""
