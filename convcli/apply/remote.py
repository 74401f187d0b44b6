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
from convcli.errors import ClusterError, as_convcli_error
from convcli.files.kinds import HEAD, Kind, kind_of
from convcli.files.source import Source
from convcli.files.whole_files import IfExists

# The bytes of the largest file that is sent whole. A scheduler keeps its tasks in memory, so a larger file is processed
# here, and only bands of it are sent.
MOST_SENT = 256 << 20


class RemoteJob(NamedTuple):
    """A job for a worker: one file, and the batch that it belongs to."""

    batch: Batch
    source: Source


class RemoteResult(NamedTuple):
    """A worker's result for one file: its outcome, and the content of each output."""

    outcome: Outcome
    contents: dict[Path, bytes]


def process_remotely(cluster: Cluster, batch: Batch, source: Source) -> Outcome:
    """Process a source on a worker, with the same outcome as ``batch.process``.

    Arrays, huge files, and sources that are not files are processed here, in bands on the cluster.
    Raises ClusterError if the cluster is lost.
    """
    data = _bytes_to_send(source)
    if data is None:
        return batch.process(source)
    try:
        if batch.is_done(source):
            return Outcome(source, skipped=True)
        result = cluster.call(_process, RemoteJob(_for_worker(batch), replace(source, read=partial(bytes, data))))
    except ClusterError:
        raise
    except Exception as error:
        return Outcome(source, error=as_convcli_error(error, source.name))
    return _save(batch, result._replace(outcome=result.outcome._replace(source=source)))


def _bytes_to_send(source: Source) -> bytes | None:
    """Return the bytes of a picture's file, or None if the source is to be processed here."""
    if source.read or not os.path.isfile(source.path) or os.path.getsize(source.path) > MOST_SENT:
        return None
    try:
        data = source.path.read_bytes()
    # Processing it here reports the error.
    except OSError:
        return None
    return None if kind_of(data[:HEAD]) is Kind.NPY else data


def _for_worker(batch: Batch) -> Batch:
    requests = [
        request.each(lambda one: one.executed(threads=1, cluster=None, watch=None)) for request in batch.requests
    ]
    return batch._replace(requests=requests, destination=replace(batch.destination, if_exists=IfExists.REPLACE))


def _process(job: RemoteJob) -> RemoteResult:
    contents: dict[Path, bytes] = {}
    batch = job.batch._replace(destination=replace(job.batch.destination, opener=partial(_open_in_memory, contents)))
    return RemoteResult(batch.process(job.source)._replace(source=replace(job.source, read=None)), contents)


@contextmanager
def _open_in_memory(contents: dict[Path, bytes], path: Path, *_: object) -> Iterator[BinaryIO]:
    stream = BytesIO()
    yield stream
    contents[path] = stream.getvalue()


def _save(batch: Batch, result: RemoteResult) -> Outcome:
    """Save the outputs, except those that exist and are skipped; return the outcome of those that were saved."""
    outcome, saved = result.outcome, set()
    try:
        batch.destination.refuse_existing(list(result.contents))
        for path, data in result.contents.items():
            if not batch.destination.skips([path]):
                with batch.destination.open(path) as stream:
                    stream.write(data)
                saved.add(str(path))
    except Exception as error:
        outcome = outcome._replace(error=as_convcli_error(error, outcome.source.name))
    return outcome._replace(outputs=tuple(record for record in outcome.outputs if record.output in saved))
