"""Rates for cost estimates, in seconds of one thread. Made by ``python -m benchmarks.calibrate``."""

MACHINE = "Intel(R) Xeon(R) Processor, NumPy 2.4.6, openblas 0.3.31.188.0 (SkylakeX), 2026-11-22"

# One float32 multiply-add of BLAS in a large product; the numbers of rows, and of depth, that halve this speed.
PRODUCT = 2.43e-11
PRODUCT_ROWS = 1.8
PRODUCT_DEPTH = 3.7
# One byte that an elementwise operation reads or writes in cache.
BYTE = 1.59e-11
# One call of NumPy from Python.
CALL = 6.13e-06
# One float32 multiply-add of the compiled loops, in a kernel of 7x7 weights.
COMPILED = 2.40e-11
# One float32 multiply-add of the compiled loops that share pixels among channels, in a bank 24->24 of 5x5 weights.
COMPILED_CHANNELS = 1.60e-11
# One pixel of a float32 square in a real Fourier transform, divided by log2 of the square's number of pixels.
TRANSFORM = 4.01e-10
