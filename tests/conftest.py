"""Options and fixtures for several test files."""

import importlib.util
import random
import subprocess
import time
from collections import Counter

import pytest
from threadpoolctl import threadpool_info

FIXED_SEED = 20250301


def pytest_addoption(parser):
    group = parser.getgroup("random inputs")
    group.addoption("--fresh-seed", type=int, help="the fresh seed, to repeat a run (default: a new one per run)")
    group.addoption("--soak", type=int, default=1, metavar="N", help="try N times as many random inputs (default: 1)")
    parser.addoption("--in-process", action="store_true", help="skip tests that start processes")


def pytest_configure(config):
    # The first process prints the seed and passes it to the others.
    given = getattr(config, "workerinput", {}).get("fresh_seed", config.option.fresh_seed)
    config.option.fresh_seed = random.randrange(2**32) if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["fresh_seed"] = node.config.option.fresh_seed


def pytest_report_header(config):
    import numpy  # noqa: F401 - which loads BLAS

    blas = {found.get("architecture") for found in threadpool_info() if found["user_api"] == "blas"}
    return [
        f"random inputs: --soak {config.option.soak} --fresh-seed {config.option.fresh_seed}",
        f"BLAS kernels: {', '.join(sorted(map(str, blas)))}",
    ]


@pytest.fixture(scope="session", autouse=True)
def skip_tests_that_start_processes(pytestconfig):
    """With --in-process, skip a test as soon as it or one of its fixtures starts a process."""

    def skip(*_, **__):
        pytest.skip("starts a process")

    with pytest.MonkeyPatch.context() as patch:
        if pytestconfig.option.in_process:
            patch.setattr(subprocess.Popen, "__init__", skip)
        yield


@pytest.fixture(params=["fixed-seed", "fresh-seed"])
def seed(request):
    """Return a seed. Tests with random input run from two: a fixed one, and a fresh one per run."""
    return FIXED_SEED if request.param == "fixed-seed" else request.config.option.fresh_seed


@pytest.fixture
def soak(request):
    """Return how many times as many inputs to draw as a test draws by default."""
    return request.config.option.soak


@pytest.fixture
def tried(request, record_property):
    """Return a function that records how many inputs a test has tried; the sum is printed at the end of the run."""
    began = time.monotonic()
    return lambda count: record_property("tried", (request.node.originalname, count, time.monotonic() - began))


@pytest.fixture
def try_many(seed, soak, tried):
    """Return a function that calls ``try_many`` with the seed, with the given number of inputs times --soak."""
    from support.sampling import try_many

    def run(strategy, check, examples):
        try_many(strategy, check, seed=seed, examples=examples * soak)
        tried(examples * soak)

    return run


def pytest_terminal_summary(terminalreporter):
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    found = [value for report in reports for name, value in report.user_properties if name == "tried"]
    by_test = Counter()
    for name, count, _ in found:
        by_test[name] += count
    if found:
        seconds = sum(seconds for *_, seconds in found)
        terminalreporter.section("inputs tried")
        terminalreporter.write_line(f"{by_test.total():,} in {seconds:.0f} seconds of tests")
        terminalreporter.write_line(", ".join(f"{name} {count:,}" for name, count in by_test.most_common()))


@pytest.fixture
def without_extra(monkeypatch):
    """Pretend that the libraries of the extra ``deep`` are not installed."""
    from convcli.pictures import deep_extra

    genuine = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "imagecodecs" else genuine(name))
    deep_extra.is_installed.cache_clear()
    yield
    deep_extra.is_installed.cache_clear()
