"""The engine: plan a convolution, then compute it tile by tile."""

from convcli.engine.algorithms import CONVOLUTIONS, KERNEL_GRADIENTS
from convcli.engine.calibration import MACHINE
from convcli.engine.execution import AUTO, AUTOMATIC, MEMORY, Execution, Watch
from convcli.engine.executor import Store, Tally, convolve, convolve_and_store, input_gradient, kernel_gradient
from convcli.engine.factors import Factorisation, KernelBlocks, Traits
from convcli.engine.interface import Estimate, Refusal, Workload
from convcli.engine.limits import Limits
from convcli.engine.plan import (
    Choice,
    Plan,
    Timed,
    announce,
    choose_convolution,
    choose_kernel_gradient,
    plan_input_gradient,
    plan_kernel_gradient,
    plan_output,
    plan_output_of_any_kernel,
)

__all__ = [
    "AUTO",
    "AUTOMATIC",
    "CONVOLUTIONS",
    "KERNEL_GRADIENTS",
    "MACHINE",
    "MEMORY",
    "Choice",
    "Estimate",
    "Execution",
    "Factorisation",
    "KernelBlocks",
    "Limits",
    "Plan",
    "Refusal",
    "Store",
    "Tally",
    "Timed",
    "Traits",
    "Watch",
    "Workload",
    "announce",
    "choose_convolution",
    "choose_kernel_gradient",
    "convolve",
    "convolve_and_store",
    "input_gradient",
    "kernel_gradient",
    "plan_input_gradient",
    "plan_kernel_gradient",
    "plan_output",
    "plan_output_of_any_kernel",
]
