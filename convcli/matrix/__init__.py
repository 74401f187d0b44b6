"""``convcli matrix``: a convolution as a sparse matrix."""
