"""The engine: a plan, then bands of output: load, compute, store."""

from convcli.engine.bands import convolve, kernel_gradient
from convcli.engine.plan import ALGORITHMS, Plan, make_plan

__all__ = ["ALGORITHMS", "Plan", "convolve", "kernel_gradient", "make_plan"]
