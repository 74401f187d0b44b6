"""One convolution: Z, its gradients, its formulas, and its plans."""
