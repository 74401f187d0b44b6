"""``convcli explain``: the sum behind one number."""
