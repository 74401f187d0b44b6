"""Loops that Numba compiles, if the extra ``fast`` is installed: their code, and where it is kept."""
