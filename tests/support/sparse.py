"""Sparse matrices as scipy has them."""

from typing import Any

import scipy.sparse

from convcli import ConvolutionMatrix


def as_scipy(M: ConvolutionMatrix) -> Any:
    """Return a matrix in compressed rows as scipy's."""
    return scipy.sparse.csr_array((M.data, M.indices, M.indptr), M.shape)
