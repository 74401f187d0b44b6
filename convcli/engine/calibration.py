"""The cost model's constants, in seconds of one thread. Written by ``python -m benchmarks.calibrate``."""

MACHINE = "Intel(R) Xeon(R) Processor, NumPy 2.4.6, openblas 0.3.31.188.0 (SkylakeX), 2026-11-22"

# A multiply-add in BLAS, float32, in a large product; and the rows and the depth at which the rate is half of that.
PRODUCT = 2.43e-11
PRODUCT_ROWS = 1.8
PRODUCT_DEPTH = 3.7
# A byte read or written by an elementwise pass in cache.
BYTE = 1.59e-11
# A NumPy call from Python.
CALL = 6.13e-06
# A pixel of a real transform of a float32 square, for each doubling of its pixels.
TRANSFORM = 4.01e-10
