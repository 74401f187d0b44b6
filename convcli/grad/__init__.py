"""``convcli grad``: compute gradients, and write them to files."""
