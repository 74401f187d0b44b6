"""``convcli grad``: gradients as a report, and the files it is written to."""
