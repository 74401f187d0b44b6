"""Compare convcli with other programs: ``python -m benchmarks``. Not installed; needs the extra ``bench``."""
