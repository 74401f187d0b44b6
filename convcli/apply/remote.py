"""Process files on a cluster: workers decode, filter and encode; this machine reads and saves the files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from convcli.apply.batch import Batch
from convcli.apply.outcomes import Outcome
from convcli.engine.cluster import Cluster
from convcli.errors import ConvcliError
from convcli.files.kinds import HEAD, Kind, kind_of
from convcli.files.source import Source
from convcli.files.whole_files import IfExists

# Bytes of the largest file that is sent whole. Schedulers hold their tasks, so of a larger one only bands are sent.
MOST_SENT = 256 << 20


class RemoteJob(NamedTuple):
    """What a worker needs to process one file."""

    batch: Batch
    source: Source


class RemoteResult(NamedTuple):
    """What a worker makes of one file: its outcome, and the contents of each output."""

    outcome: Outcome
    contents: dict[Path, bytes]


def process_remotely(cluster: Cluster, batch: Batch, source: Source) -> Outcome:
    """Do what ``batch.process`` does, on a worker.

    Arrays, huge files, and sources that are no files are processed here, in bands on the cluster.
    Raises ClusterError if the cluster is lost.
    """
    data = _bytes_to_send(source)
    if data is None:
        return batch.process(source)
    try:
        if batch.is_done(source):
            return Outcome(source, skipped=True)
    except ConvcliError as error:
        return Outcome(source, error=error)
    result = cluster.call(_process, RemoteJob(_for_worker(batch), replace(source, read=partial(bytes, data))))
    return _save(batch, result._replace(outcome=result.outcome._replace(source=source)))


def _bytes_to_send(source: Source) -> bytes | None:
    """Return a picture's file, or None if the source is to be processed here."""
    if source.read or not os.path.isfile(source.path) or os.path.getsize(source.path) > MOST_SENT:
        return None
    try:
        data = source.path.read_bytes()
    # Processing it here says what is wrong with it.
    except OSError:
        return None
    return None if kind_of(data[:HEAD]) is Kind.NPY else data


def _for_worker(batch: Batch) -> Batch:
    requests = [request.each(lambda one: one.executed(threads=1, cluster=None)) for request in batch.requests]
    return replace(batch, requests=requests, destination=replace(batch.destination, if_exists=IfExists.REPLACE))


def _process(job: RemoteJob) -> RemoteResult:
    contents: dict[Path, bytes] = {}
    batch = replace(job.batch, destination=replace(job.batch.destination, opener=partial(_open_in_memory, contents)))
    return RemoteResult(batch.process(job.source)._replace(source=replace(job.source, read=None)), contents)


@contextmanager
def _open_in_memory(contents: dict[Path, bytes], path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    stream = BytesIO()
    yield stream
    contents[path] = stream.getvalue()


def _save(batch: Batch, result: RemoteResult) -> Outcome:
    """Save the outputs, but those that exist and are to be skipped; return the outcome of those that were saved."""
    outcome, saved = result.outcome, set()
    try:
        batch.destination.refuse_existing(list(result.contents))
        for path, data in result.contents.items():
            if not batch.destination.skips([path]):
                with batch.destination.open(path) as stream:
                    stream.write(data)
                saved.add(str(path))
    except ConvcliError as error:
        outcome = outcome._replace(error=error)
    return outcome._replace(outputs=tuple(each for each in outcome.outputs if each.output in saved))
