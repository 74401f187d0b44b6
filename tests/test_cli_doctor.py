"""``convcli doctor`` shows what a bug report needs, even if a part is broken."""

import json
import sys
import tomllib
from importlib import metadata

import numpy as np
import PIL
import pytest
from PIL import features
from support.command_line import convcli
from support.pages import codes, page

from convcli.cli.text.doctor import diagnosis_text
from convcli.doctor.diagnosis import Blas, diagnose, diagnosis_to_json
from convcli.files.memory import Memory
from convcli.pictures import capabilities
from convcli.pictures.formats import PICTURE_FORMATS
from convcli.version import __version__


@pytest.fixture
def found():
    return diagnose()


def test_what_it_finds(found):
    assert (found.version, found.problems) == (__version__, [])
    assert found.libraries["numpy"] == np.__version__
    assert found.libraries["pillow"] == PIL.__version__
    assert found.codecs["zlib"] == features.version("zlib")
    assert 1 <= found.threads <= found.processors
    assert found.memory.bytes > 1 << 20


def test_the_extras_are_those_of_users(found):
    extras = tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"]
    assert found.extras.keys() == extras.keys() & set(codes(page("README.md")))
    assert found.extras["deep"] == {"imagecodecs": metadata.version("imagecodecs")}


def test_the_kernel_of_blas(found):
    openblas = [library for library in found.blas if library.name == "openblas"]
    assert all(library.kernel and library.threads >= 1 for library in openblas)


def test_formats_that_lack_a_library_are_missing(monkeypatch):
    monkeypatch.setitem(capabilities._NEEDS, "webp", lambda: False)
    formats = diagnose().formats
    assert "webp" in formats.missing
    assert "webp" not in formats.read + formats.written
    assert {*formats.written, "webp"} >= {each.name for each in PICTURE_FORMATS} - {*formats.missing}


def test_a_vulnerable_pillow_is_a_problem(monkeypatch):
    monkeypatch.setattr(PIL, "__version__", "12.3.0")
    (problem,) = diagnose().problems
    assert problem.startswith("Pillow: Pillow 12.3.0 has known vulnerabilities, which 13.0 does not have: upgrade it")


def test_a_part_that_fails_is_a_problem_and_hides_no_other(monkeypatch):
    def broken():
        raise RuntimeError("no such codec")

    monkeypatch.setattr(capabilities, "codec_versions", broken)
    found = diagnose()
    assert (found.codecs, found.problems) == ({}, ["codecs: no such codec"])
    assert found.formats.read
    assert "Problems" in list(diagnosis_text(found))


@pytest.mark.parametrize(("library", "form"), [("numpy", "json"), ("PIL", "text")])
def test_without_a_library(library, form, tmp_path):
    script = tmp_path / "sitecustomize.py"
    script.write_text(f"import sys; sys.modules[{library!r}] = None")
    result = convcli("doctor", *["--json"] * (form == "json"), cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (result.code, result.err) == (0, "")
    assert library in result.out.decode().partition("roblems")[2]


def test_without_the_metadata_of_convcli(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "metadata", missing)
    found = diagnose()
    assert (found.libraries, found.extras) == ({}, {})
    assert [problem.partition(":")[0] for problem in found.problems] == ["libraries", "extras"]


def test_it_reads_well_in_80_columns(found):
    libraries = [Blas("openblas", "0.3.31", "Zen", 1), Blas("mkl", None, None, 4)]
    shown = found._replace(blas=libraries, memory=Memory(3 << 30, "the free memory"))
    lines = list(diagnosis_text(shown))
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"convcli {__version__}"
    assert "  BLAS              openblas 0.3.31, kernel Zen, 1 thread" in lines
    assert "  BLAS              mkl of unknown version, 4 threads" in lines
    assert "  memory            3.0 GB, the free memory" in lines


def test_json_is_the_diagnosis(tmp_path):
    printed = json.loads(convcli("doctor", "--json", cwd=tmp_path).out)
    expected = diagnosis_to_json(diagnose())
    assert list(printed) == list(expected)
    assert printed["formats"] == expected["formats"]


def test_the_home_folder_is_not_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / ".cache/convcli").mkdir(parents=True)
    (tmp_path / ".cache/convcli/3x3.code").write_bytes(bytes(2048))
    found = diagnose()
    assert found.cache == ("~/.cache/convcli", 1, 2048)
    assert "  compiled code     1 file, 2.0 KB, in ~/.cache/convcli" in list(diagnosis_text(found))
    assert str(tmp_path) not in json.dumps(diagnosis_to_json(found))


def test_it_imports_no_extra(monkeypatch):
    for library in ("imagecodecs", "pillow_heif", "distributed", "onnx", "textual_image", "numba"):
        monkeypatch.delitem(sys.modules, library, raising=False)
    diagnose()
    assert not {"imagecodecs", "distributed", "onnx", "textual_image", "numba"} & sys.modules.keys()
