"""Constants of the costs, in seconds of one thread. Written by ``python -m benchmarks.calibrate``."""

MACHINE = "Intel(R) Xeon(R) Processor, NumPy 2.4.6, openblas 0.3.31.188.0 (SkylakeX), 2026-11-22"

# A float32 multiply-add of BLAS in a large product, and the rows and the depth at which the rate is half of that.
PRODUCT = 2.43e-11
PRODUCT_ROWS = 1.8
PRODUCT_DEPTH = 3.7
# A byte that an elementwise pass reads or writes in cache.
BYTE = 1.59e-11
# A call of NumPy from Python.
CALL = 6.13e-06
# A pixel of a real transform of a float32 square, per doubling of the pixels.
TRANSFORM = 4.01e-10
