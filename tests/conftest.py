"""Fixtures for several files."""

import pytest

from convcli.engine import fft, plan_convolution, winograd


@pytest.fixture
def transforms_of_small_kernels(monkeypatch):
    """The algorithms that transform take kernels of few taps and few channels, which a plan would leave to others."""
    monkeypatch.setattr(fft, "LEAST_TAPS", 1)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
    plan_convolution.cache_clear()
    yield
    plan_convolution.cache_clear()
