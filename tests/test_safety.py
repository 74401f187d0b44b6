"""Nothing that comes from outside is unpickled, evaluated, run or fetched."""

import ast
import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from support.command_line import convcli, npy

import convcli as package
from convcli.errors import ConvcliError, FileError
from convcli.kernels.loading import load_kernel
from convcli.pictures.reading import read_image, read_tensor
from convcli.pictures.sources import readable_extensions

# What runs what it is given, or talks to others.
SUSPECTS = {
    *("eval", "exec", "compile", "__import__", "system", "popen", "fork", "posix_spawn", "posix_spawnp", "startfile"),
    *(f"{verb}{how}" for verb in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *("pickle", "marshal", "shelve", "runpy", "code", "subprocess", "multiprocessing", "ctypes", "pty"),
    *("asyncio", "socket", "ssl", "urllib", "http", "ftplib", "smtplib", "xmlrpc", "webbrowser"),
}
# What goes to a cluster's workers is ours, and so are the workers; a handler of SIGBUS, and one of what libtiff says,
# cannot be set otherwise; urllib.parse only takes apart the address that convcli was installed from; compiled code is
# read from the user's own cache folder.
ALLOWED = {
    ("dask_connection.py", "asyncio"),
    ("dask_workers.py", "pickle"),
    *(("local_workers.py", name) for name in ("pickle", "subprocess")),
    ("worker.py", "pickle"),
    ("stopping.py", "ctypes"),
    ("libtiff_words.py", "ctypes"),
    ("extras.py", "urllib"),
    ("machine_code.py", "pickle"),
}


def test_no_module_runs_or_fetches():
    found = {
        (path.name, name)
        for path in Path(package.__file__).parent.rglob("*.py")
        for name in imported_and_called(ast.parse(path.read_text()))
    }
    assert {(module, name) for module, name in found if name in SUSPECTS} == ALLOWED


def imported_and_called(tree):
    """Top-level names of imported modules, and names of called functions; of methods only where they are of ``os``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func).removeprefix("os.")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("read", [read_image, read_tensor])
@pytest.mark.parametrize("pack", [lambda trap: npy(np.array([[trap]], object)), pickle.dumps], ids=["npy", "pickle"])
def test_nothing_is_unpickled(read, pack, tmp_path):
    data, sprung = pack(Trap(tmp_path / "sprung")), tmp_path / "sprung"
    with pytest.raises(ConvcliError):
        read(data)
    (tmp_path / "trap.npy").write_bytes(data)
    with pytest.raises(ConvcliError):
        load_kernel(str(tmp_path / "trap.npy"))
    assert not sprung.exists()


@pytest.mark.parametrize(
    "word", ["__import__('os').mkdir('sprung')", "[[__import__('os').mkdir('sprung')]]", "$(mkdir sprung)"]
)
def test_no_option_value_is_evaluated(word, tmp_path):
    (tmp_path / "V.npy").write_bytes(npy(np.ones((3, 4))))
    for arguments in (["-k", word], ["-k", "box", "-s", word], ["-k", "box", "-o", f"{word}.npy"]):
        convcli("apply", "V.npy", *arguments, cwd=tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_programs_are_not_run(tmp_path):
    """Pillow would have Ghostscript run it."""
    PIL.Image.new("L", (8, 8)).save(tmp_path / "a.eps")
    with pytest.raises(FileError, match="EPS is a program, which convcli does not run"):
        read_image(tmp_path / "a.eps")
    assert ".eps" not in readable_extensions()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.png", "file:///etc/hostname", "https://127.0.0.1:9/k.json"])
def test_no_address_is_fetched(address, tmp_path):
    result = convcli("apply", address, "-k", "box", cwd=tmp_path)
    assert result.code == 1
    assert "No such file" in result.err
