"""One convolution: Z, its gradients, its formulas, and what it would take."""
