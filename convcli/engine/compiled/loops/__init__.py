"""The loops that Numba compiles. Only ``machine_code`` has these modules imported, when it must: they import numba."""
