"""Batches whose files are filtered on a cluster, simulated by pickling, unpickling and calling."""

import contextlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
from support.command_line import pixels, save_picture
from support.folders import files_in
from support.requests import request_of

from convcli.apply.appearance import Appearance
from convcli.apply.batch import Batch
from convcli.apply.outputs import encodings_of
from convcli.apply.remote import process_remotely
from convcli.errors import ClusterError
from convcli.files.output_names import destination_of
from convcli.files.source import Source
from convcli.files.whole_files import IfExists
from convcli.kernels.loading import load_kernel


class Worker:
    """A cluster that does what its worker does, and counts the calls."""

    def __init__(self):
        self.calls = 0

    def call(self, work, item):
        self.calls += 1
        work, item = pickle.loads(pickle.dumps((work, item)))
        return pickle.loads(pickle.dumps(work(item)))


class LostCluster:
    def call(self, work, item):
        raise ClusterError("lost the scheduler")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        save_picture(tmp_path / f"{number}.png", np.random.default_rng(number).integers(0, 256, (3, 9, 8), np.uint8))
    (tmp_path / "broken.png").write_text("no picture")
    np.save(tmp_path / "array.npy", np.ones((4, 5), np.float32))
    return tmp_path


def batch(output, kernels=("box",), if_exists=IfExists.FAIL, **options):
    requests = [request_of(load_kernel(kernel), padding="same") for kernel in kernels]
    destination = destination_of(output, if_exists)
    return Batch(requests, Appearance(**options), destination, encodings_of(destination))


def without_times(outcome):
    return replace_error(outcome)._replace(outputs=tuple(each._replace(milliseconds=0) for each in outcome.outputs))


def replace_error(outcome):
    return outcome._replace(error=outcome.error and str(outcome.error))


@pytest.mark.parametrize("word", ["1.png", "broken.png", "absent.png", "array.npy"])
def test_outcomes_and_files_equal_those_of_a_local_batch(folder, word):
    worker, kernels = Worker(), ("[[2]]", "gaussian:1")
    local = batch("local/{stem}.{kernel}.png", kernels)
    remote = local._replace(destination=destination_of("remote/{stem}.{kernel}.png"))
    expected, found = local.process(Source.of_file(word)), process_remotely(worker, remote, Source.of_file(word))
    moved = [each._replace(output=each.output.replace("remote/", "local/")) for each in found.outputs]
    assert without_times(found._replace(outputs=moved)) == without_times(expected)
    assert worker.calls == (word in ("1.png", "broken.png"))
    if expected.outputs:
        assert files_in(folder / "local") == files_in(folder / "remote")


def test_existing_files_are_kept(folder):
    worker = Worker()
    some = batch("out/", ("box",))
    assert not process_remotely(worker, some, Source.of_file("0.png")).error
    refused = process_remotely(worker, some, Source.of_file("0.png"))
    assert str(refused.error).startswith("out/0.png exists: use `overwrite`")
    assert refused.outputs == ()
    both = batch("out/", ("box", "[[1]]"), IfExists.SKIP)
    (folder / "out" / "0.box.png").write_bytes(b"somebody's own")
    made = process_remotely(worker, both, Source.of_file("0.png"))
    assert [each.output for each in made.outputs] == ["out/0.inline.png"]
    assert (folder / "out" / "0.box.png").read_bytes() == b"somebody's own"
    calls = worker.calls
    assert process_remotely(worker, both, Source.of_file("0.png")).skipped
    assert worker.calls == calls


class DistantWorker(Worker):
    """A worker that has another current folder, as on another machine."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def call(self, work, item):
        with contextlib.chdir(self.folder):
            return super().call(work, item)


def test_a_folder_need_not_exist_where_the_worker_runs(folder, tmp_path_factory):
    (folder / "out").mkdir()
    outcome = process_remotely(DistantWorker(tmp_path_factory.mktemp("there")), batch("out"), Source.of_file("0.png"))
    assert outcome.error is None
    assert list(files_in(folder / "out")) == ["0.png"]


def test_arrays_are_returned_exactly(folder):
    found = process_remotely(Worker(), batch("out/{stem}.npy", ("[[1]]",)), Source.of_file("2.png"))
    assert found.outputs[0].dtype == "float32"
    assert np.array_equal(np.load(folder / "out" / "2.npy"), pixels(folder / "2.png").astype(np.float32))


def test_a_lost_cluster_is_not_an_error_of_the_image(folder):
    with pytest.raises(ClusterError, match="lost the scheduler"):
        process_remotely(LostCluster(), batch("out/"), Source.of_file("0.png"))
    assert not (folder / "out").exists()


def test_the_pixel_limit_goes_with_the_source(folder):
    worker, source = Worker(), replace(Source.of_file("0.png"), max_pixels=71)
    refused = process_remotely(worker, batch("out/"), source)
    reason = "it has 72 pixels, more than the limit of 71: use `max_pixels` 72 to read it"
    assert (str(refused.error), worker.calls) == (f"cannot read 0.png: {reason}", 1)
