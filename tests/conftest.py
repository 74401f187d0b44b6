"""Options and fixtures for several files."""

import random

import pytest

from convcli.engine import fft, plan_convolution, winograd

FIXED_SEED = 20250301


def pytest_addoption(parser):
    group = parser.getgroup("random inputs")
    group.addoption(
        "--fresh-seed", type=int, help="what the fresh seed is, to repeat a run (default: another each run)"
    )
    group.addoption("--soak", type=int, default=1, metavar="N", help="try N times as many random inputs (default: 1)")


def pytest_configure(config):
    # Here, and not where it is used: processes that share the tests must share the seed.
    if config.option.fresh_seed is None:
        config.option.fresh_seed = random.randrange(2**32)


def pytest_report_header(config):
    return f"random inputs: --soak {config.option.soak} --fresh-seed {config.option.fresh_seed}"


@pytest.fixture(params=["fixed-seed", "fresh-seed"])
def seed(request):
    """Tests that draw are run from two seeds: one that never changes, and one that is another each run."""
    return FIXED_SEED if request.param == "fixed-seed" else request.config.option.fresh_seed


@pytest.fixture
def soak(request):
    """How many times as many inputs to draw as a test draws by itself."""
    return request.config.option.soak


@pytest.fixture
def transforms_of_small_kernels(monkeypatch):
    """The algorithms that transform take kernels of few taps and few channels, which a plan would leave to others."""
    monkeypatch.setattr(fft, "LEAST_TAPS", 1)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
    plan_convolution.cache_clear()
    yield
    plan_convolution.cache_clear()
