"""Fixtures for several files."""

import pytest

from convcli.engine import fft, plan_convolution


@pytest.fixture
def transforms_of_small_kernels(monkeypatch):
    """The fft algorithm takes kernels of every size, which a plan would leave to others."""
    monkeypatch.setattr(fft, "LEAST_TAPS", 1)
    plan_convolution.cache_clear()
    yield
    plan_convolution.cache_clear()
