"""The versions, libraries, limits and formats of this installation.

Parts are looked up one by one, and import what they need themselves, so that a broken library hides only its own part.
"""

import os
import platform
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, NamedTuple, TypeVar

from convcli.errors import reason_of
from convcli.files.memory import Memory, available_memory
from convcli.version import JSON_VERSION, __version__

Part = TypeVar("Part")
# The version of each library; None for one that is not installed.
Versions = dict[str, str | None]

# Extras for work on convcli itself.
_FOR_DEVELOPERS = {"bench", "browser", "conformance", "dev", "docs", "test"}
# Variables that change numbers, speed or text.
_VARIABLES = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    *("COLUMNS", "LANG", "LC_ALL", "NO_COLOR", "PYTHONOPTIMIZE", "TERM"),
)


class Blas(NamedTuple):
    """A library that multiplies matrices, with the kernel that it has chosen for this processor."""

    name: str
    version: str | None
    kernel: str | None
    threads: int


class CompiledCode(NamedTuple):
    """The cache folder of the algorithm ``compiled``, and what is in it. The user's home folder is written ``~``."""

    folder: str
    files: int
    bytes: int


class PictureFormats(NamedTuple):
    """The names of the formats that are read and written here, and of those that lack a library."""

    read: list[str]
    written: list[str]
    missing: list[str]


class Diagnosis(NamedTuple):
    """An installation and its machine. A part that could not be looked up is empty, and ``problems`` says why."""

    version: str
    python: str
    system: str
    libraries: Versions
    codecs: Versions
    extras: dict[str, Versions]
    blas: list[Blas]
    processors: int | None
    threads: int | None
    memory: Memory | None
    cache: CompiledCode | None
    formats: PictureFormats | None
    environment: dict[str, str]
    problems: list[str]


# The fields of a diagnosis that are records, or None.
_RECORDS = ("memory", "cache", "formats")


def diagnose() -> Diagnosis:
    """Look up every part. Nothing is computed, and no extra is imported."""
    problems: list[str] = []

    def part(name: str, look_up: Callable[[], Part], otherwise: Part) -> Part:
        # A broken library may raise anything while it is imported.
        try:
            return look_up()
        except Exception as error:
            problems.append(f"{name}: {reason_of(error)}")
            return otherwise

    if warning := part("Pillow", _warning, ""):
        problems.append(f"Pillow: {warning}")
    return Diagnosis(
        version=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=part("system", platform.platform, ""),
        libraries=part("libraries", _libraries, {}),
        codecs=part("codecs", _codecs, {}),
        extras=part("extras", _extras, {}),
        blas=part("blas", _blas, []),
        processors=os.cpu_count(),
        threads=part("threads", _threads, None),
        memory=part("memory", available_memory, None),
        cache=part("cache", _cache, None),
        formats=part("formats", _formats, None),
        environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        problems=problems,
    )


def diagnosis_to_json(found: Diagnosis) -> dict[str, Any]:
    """Return the members of a JSON object: its version, the fields, and those of the records in them."""
    single = {name: value and value._asdict() for name in _RECORDS for value in [getattr(found, name)]}
    blas = [library._asdict() for library in found.blas]
    return {"convcli": JSON_VERSION, **found._asdict(), **single, "blas": blas}


def _libraries() -> Versions:
    found = _versions(requirement for requirement in _requirements() if "extra ==" not in requirement)
    # A library with a condition is for other systems, unless it is installed.
    conditional = {_name(requirement) for requirement in _requirements() if ";" in requirement}
    return {name: version for name, version in found.items() if version or name not in conditional}


def _extras() -> dict[str, Versions]:
    named = {
        extra: _versions(line for line in _requirements() if re.search(rf"extra == ['\"]{extra}['\"]", line))
        for extra in metadata.metadata("convcli").get_all("Provides-Extra", [])
        if extra not in _FOR_DEVELOPERS
    }
    return dict(sorted(named.items()))


def _requirements() -> list[str]:
    return metadata.requires("convcli") or []


def _versions(requirements: Iterable[str]) -> Versions:
    return {name: _version(name) for name in sorted(map(_name, requirements))}


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _warning() -> str:
    from convcli.pictures.capabilities import vulnerable_pillow

    return vulnerable_pillow()


def _codecs() -> Versions:
    from convcli.pictures.capabilities import codec_versions

    return codec_versions()


def _blas() -> list[Blas]:
    from convcli.engine.threads import describe_blas

    return [
        Blas(each["internal_api"], each["version"], each.get("architecture"), each["num_threads"])
        for each in describe_blas()
    ]


def _threads() -> int:
    from convcli.files.parallel import available_threads

    return available_threads()


def _cache() -> CompiledCode | None:
    """Return what is stored for the next process; None without a home folder."""
    from convcli.engine.compiled.machine_code import cache_folder

    folder = cache_folder()
    if folder is None:
        return None
    sizes = [path.stat().st_size for path in folder.glob("*.code")]
    return CompiledCode(str(folder).replace(os.path.expanduser("~"), "~", 1), len(sizes), sum(sizes))


def _formats() -> PictureFormats:
    from convcli.pictures.capabilities import is_usable
    from convcli.pictures.formats import PICTURE_FORMATS, READ_ONLY

    read = (*PICTURE_FORMATS, *READ_ONLY)
    return PictureFormats(
        [each.name for each in read if is_usable(each)],
        [each.name for each in PICTURE_FORMATS if is_usable(each)],
        [each.name for each in read if not is_usable(each)],
    )
