"""Measurements against peers: ``python -m benchmarks``. Not installed; needs the extra ``bench``."""
