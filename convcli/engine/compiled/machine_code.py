"""Machine code of loops: loaded in this process, stored in the user's cache folder, or still to be compiled.

A cache file holds the code of one recipe, of one version of Numba, of the loops and of Python, for one processor. It
is loaded only if it is complete, says so itself, and belongs to the user. Any number of processes may write and read
the folder at once: a file appears in one step, and whichever process writes last, it holds what its name says. Without
a folder that can be read and written, each process compiles what it needs.
"""

import hashlib
import os
import pickle
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from stat import S_IWOTH
from typing import Any, Protocol

from convcli.errors import FileError
from convcli.extras import can_import
from convcli.files.whole_files import IfExists, write_atomically

# Seconds to import Numba, to load the code of one recipe from the cache folder, and to compile it.
IMPORT, LOAD, COMPILE = 0.3, 0.05, 1.5

NOT_INSTALLED = "it compiles its loops with Numba, which is not installed"

Loops = Callable[..., None]


class Recipe(Protocol):
    """The constants that loops are compiled for, such as the sizes of blocks.

    ``convcli.engine.compiled.loops.makers`` has a function for each type of recipe.
    """

    @property
    def name(self) -> str:
        """The recipe in a few characters, for a file name. No two recipes of any type have the same name."""


# By the name of their recipe.
_LOADED: dict[str, Loops] = {}


@cache
def missing() -> str:
    """Return what keeps Numba from compiling; empty text if nothing does."""
    if not can_import("numba"):
        return NOT_INSTALLED
    return "NUMBA_DISABLE_JIT is set" if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else ""


@cache
def broken() -> str:
    """Import Numba, and return why that fails; empty text if it works."""
    # A library that does not fit its own dependencies can fail in any way.
    try:
        import convcli.engine.compiled.loops.makers  # noqa: F401
    except Exception as error:
        return f"Numba cannot be imported: {' '.join(str(error).split()).rstrip('.')}"
    return ""


def start_seconds(recipes: Sequence[Recipe]) -> float:
    """Return how long it takes in this process until the loops of these recipes can run; 0 if none can be compiled."""
    waiting = [recipe.name for recipe in recipes if recipe.name not in _LOADED]
    if not waiting or missing():
        return 0.0
    return (0.0 if "numba" in sys.modules else IMPORT) + sum(LOAD if _is_stored(name) else COMPILE for name in waiting)


@cache
def _is_stored(name: str) -> bool:
    """Return whether a cache file exists. It is looked for once, because looking takes a tenth of a small call."""
    path = cache_path(name)
    return path is not None and path.is_file()


def loops(recipe: Recipe) -> Loops:
    """Return the loops of this recipe, after loading or compiling them if this process has not yet."""
    if recipe.name not in _LOADED:
        from convcli.engine.compiled.loops.makers import MAKERS

        function, signature = MAKERS[type(recipe)](recipe)
        function._cache = _Cache(cache_path(recipe.name))
        function.compile(signature)
        # Calls convert their arrays to these types. Otherwise, Numba would compile for each combination of types.
        function.disable_compile()
        _LOADED[recipe.name] = function
    return _LOADED[recipe.name]


def cache_path(name: str) -> Path | None:
    """Return the cache file of loops by the name of their recipe, which need not exist; None without a home folder."""
    folder = cache_folder()
    return folder and folder / f"{name}-{_versions()}.code"


def cache_folder() -> Path | None:
    """Return the cache folder: in NUMBA_CACHE_DIR, or where the platform keeps caches."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given) / "convcli"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "convcli" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "convcli"
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of XDG says that a relative path is to be ignored.
    return (Path(given) if os.path.isabs(given) else home / ".cache") / "convcli"


@cache
def _versions() -> str:
    """Return a digest of the versions of Numba, Python and the loops, and of the processor, without importing Numba."""
    spec = find_spec("numba")
    version = Path(spec.origin).with_name("_version.py") if spec and spec.origin else Path()
    sources = *sorted(Path(__file__).parent.rglob("*.py")), version
    found = [path.read_bytes() for path in sources if path.is_file()]
    found += [str(sys.implementation.cache_tag).encode(), _processor()]
    return hashlib.sha256(b"\0".join(found)).hexdigest()[:16]


def _processor() -> bytes:
    """Return what the system says about the first processor: its name, and the instructions that it knows."""
    with suppress(OSError), open("/proc/cpuinfo", "rb") as stream:
        lines = stream.read(1 << 14).partition(b"\n\n")[0].splitlines()
        return b"\n".join(line for line in lines if line.startswith((b"model name", b"flags", b"Features", b"CPU ")))
    return f"{platform.machine()} {platform.processor()}".encode()


class _Cache:
    """The cache of one dispatcher of Numba, which calls these functions before and after it compiles.

    cache_path: the folder, which the statistics of the dispatcher show.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.cache_path = path and str(path.parent)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled code in the file; None if there is no file, or none that this process can use."""
        from numba.core.compiler import CompileResult

        if self._path is None:
            return None
        # Code that is loaded before this would look for functions of Numba's runtime that are not there yet.
        target.refresh()
        # What is wrong with a file does not matter: the code is compiled, and the file is written again.
        with suppress(Exception), self._path.open("rb") as stream:
            content = stream.read()
            digest, payload = content[:32], content[32:]
            if _is_own(stream.fileno()) and hashlib.sha256(payload).digest() == digest:
                made_for, parts = pickle.loads(payload)
                if made_for == _target(target):
                    return CompileResult._rebuild(target, *parts)
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write compiled code to the file, if the folder can be written."""
        from numba.core.serialize import dumps

        if self._path is None:
            return
        payload = dumps((_target(result.target_context), result._reduce()))
        with suppress(FileError), write_atomically(self._path, IfExists.REPLACE, tell=lambda loss: None) as stream:
            stream.write(hashlib.sha256(payload).digest() + payload)


def _is_own(descriptor: int) -> bool:
    """Return whether a file belongs to this user, and nobody outside its group may write it: its code is run."""
    found = os.fstat(descriptor)
    return not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & S_IWOTH)


def _target(context: Any) -> tuple[Any, ...]:
    """Return what code is compiled for: the versions of Numba and LLVM, and the processor with its instructions."""
    import llvmlite
    import numba

    return numba.__version__, llvmlite.__version__, *context.codegen().magic_tuple()
