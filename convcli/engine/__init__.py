"""The engine: a plan, then bands of output: load, compute, store."""

from convcli.engine.calibration import MACHINE
from convcli.engine.executor import (
    AUTOMATIC,
    MEMORY,
    Execution,
    Store,
    convolve,
    convolve_and_store,
    input_gradient,
    kernel_gradient,
    plan_for,
    plan_for_kernel_gradient,
)
from convcli.engine.interface import Estimate, Refusal, Workload
from convcli.engine.partition import gradient_parts, parts
from convcli.engine.plan import CONVOLUTIONS, KERNEL_GRADIENTS, Plan, plan_convolution, plan_kernel_gradient

__all__ = [
    "AUTOMATIC",
    "CONVOLUTIONS",
    "KERNEL_GRADIENTS",
    "MACHINE",
    "MEMORY",
    "Estimate",
    "Execution",
    "Plan",
    "Refusal",
    "Store",
    "Workload",
    "convolve",
    "convolve_and_store",
    "gradient_parts",
    "input_gradient",
    "kernel_gradient",
    "parts",
    "plan_convolution",
    "plan_for",
    "plan_for_kernel_gradient",
    "plan_kernel_gradient",
]
