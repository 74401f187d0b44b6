"""A diagnosis as text for people."""

from collections.abc import Iterator

from convcli.cli.layout import heading, is_coloured, page_width, two_columns
from convcli.doctor.diagnosis import Blas, CompiledCode, Diagnosis, Versions
from convcli.files.memory import format_size

NAME_WIDTH = 16


def diagnosis_text(found: Diagnosis) -> Iterator[str]:
    """Yield the lines of a diagnosis, section by section. An empty section has none."""
    coloured = is_coloured()
    yield heading(f"convcli {found.version}", coloured=coloured)
    yield from two_columns(_head(found), NAME_WIDTH, page_width(), coloured=coloured)
    for title, rows in _sections(found).items():
        if rows:
            yield from ("", heading(title, coloured=coloured))
            yield from two_columns(rows, NAME_WIDTH, page_width(), coloured=coloured)


def _head(found: Diagnosis) -> Iterator[tuple[str, str]]:
    yield "Python", found.python
    yield "system", found.system
    yield "processors", f"{found.processors}, of which this process may use {found.threads}"
    if found.memory:
        yield "memory", f"{format_size(found.memory.bytes)}, {found.memory.bound}"
    for library in found.blas:
        yield "BLAS", _blas_text(library)
    if found.cache and found.cache.files:
        yield "compiled code", _cache_text(found.cache)


def _blas_text(library: Blas) -> str:
    kernel = f", kernel {library.kernel}" if library.kernel else ""
    return f"{library.name} {library.version or 'of unknown version'}{kernel}, {_counted(library.threads, 'thread')}"


def _cache_text(cache: CompiledCode) -> str:
    return f"{_counted(cache.files, 'file')}, {format_size(cache.bytes)}, in {cache.folder}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _sections(found: Diagnosis) -> dict[str, list[tuple[str, str]]]:
    formats = found.formats._asdict() if found.formats else {}
    return {
        "Libraries": [(name, version or "not installed") for name, version in found.libraries.items()],
        "Extras": [(extra, _versions_text(versions)) for extra, versions in found.extras.items()],
        "Libraries in Pillow": [(name, version or "missing") for name, version in found.codecs.items()],
        "Picture formats": [(what, ", ".join(names)) for what, names in formats.items() if names],
        "Environment": list(found.environment.items()),
        "Problems": [(name, reason) for name, _, reason in (each.partition(": ") for each in found.problems)],
    }


def _versions_text(versions: Versions) -> str:
    return ", ".join(f"{name} {version or 'is not installed'}" for name, version in versions.items())
