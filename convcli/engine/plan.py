"""The plan: which algorithm, in which tiles, and why. It sees shapes, never arrays."""

from dataclasses import dataclass
from typing import Protocol

from convcli.arrays import FloatArray
from convcli.engine import direct, im2col
from convcli.engine.costs import Estimate
from convcli.engine.tiles import Extent, largest_extent, tile_floats
from convcli.errors import OptionError
from convcli.geometry import Geometry

# Bytes of workspace: large enough that NumPy's calls cost little, small enough to stay in a core's cache.
WORKSPACE = 8 << 20


class Algorithm(Protocol):
    """What each algorithm's file provides. Arrays have the five axes of ``convcli.engine.tiles``."""

    name: str

    def column_floats(self, geometry: Geometry) -> int:
        """Floats it keeps for one output pixel of one group."""

    def estimate(self, geometry: Geometry, tiles: int) -> Estimate:
        """What it would take."""

    def convolve(self, tile: FloatArray, weights: FloatArray, geometry: Geometry, out: FloatArray) -> None:
        """Fill an output tile from a padded input tile."""

    def kernel_gradient(self, tile: FloatArray, upstream: FloatArray, geometry: Geometry, out: FloatArray) -> None:
        """Add a tile's part of dK to ``out``."""


ALGORITHMS: dict[str, Algorithm] = {algorithm.name: algorithm for algorithm in (direct, im2col)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One algorithm's tiles and what it would take."""

    algorithm: str
    extent: Extent
    estimate: Estimate
    workspace: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen candidate, why, and the others."""

    chosen: Candidate
    chosen_by: str
    others: tuple[Candidate, ...]


def make_plan(geometry: Geometry, itemsize: int, algorithm: str = "auto") -> Plan:
    """The named algorithm's plan, or under ``auto`` the cheapest; ``itemsize`` is a float's bytes."""
    candidates = [_candidate(name, geometry, itemsize) for name in ALGORITHMS]
    chosen = min(candidates, key=lambda candidate: candidate.estimate.total)
    if algorithm != "auto":
        chosen = _named(algorithm, candidates)
    others = tuple(candidate for candidate in candidates if candidate is not chosen)
    return Plan(chosen, "auto" if algorithm == "auto" else "request", others)


def _candidate(name: str, geometry: Geometry, itemsize: int) -> Candidate:
    algorithm = ALGORITHMS[name]
    floats = algorithm.column_floats(geometry)
    extent = largest_extent(geometry, floats, WORKSPACE // itemsize)
    workspace = tile_floats(geometry, extent, floats) * itemsize
    return Candidate(name, extent, algorithm.estimate(geometry, extent.count(geometry)), workspace)


def _named(name: str, candidates: list[Candidate]) -> Candidate:
    for candidate in candidates:
        if candidate.algorithm == name:
            return candidate
    raise OptionError(f"unknown algorithm {name!r}: expected auto, {', '.join(ALGORITHMS)}")
