"""``convcli explain``: show the exact sum behind one number."""
