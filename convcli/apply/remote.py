"""A batch whose files are decoded, filtered and encoded by a cluster's workers; they are read and saved here."""

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
from convcli.pictures.pixel_limit import limit_pixels, pixel_limit

# Of a larger file the bands are sent, and not the file: schedulers hold their tasks.
MOST_SENT = 256 << 20


class Sent(NamedTuple):
    """What a worker needs to process one file."""

    batch: Batch
    word: str
    data: bytes
    max_pixels: int


class Made(NamedTuple):
    """What it made of the file: the outputs, as bytes by name."""

    outcome: Outcome
    outputs: dict[Path, bytes]


def process_remotely(cluster: Cluster, batch: Batch, source: Source) -> Outcome:
    """What ``batch.process`` does, by a worker; of an array, and of what is no file or a huge one, by bands.

    Raises ClusterError where the cluster is lost.
    """
    data = _contents(source)
    if data is None:
        return batch.process(source)
    try:
        if batch.is_done(source):
            return Outcome(source, skipped=True)
    except ConvcliError as error:
        return Outcome(source, error=error)
    made = cluster.call(_process, Sent(_for_worker(batch), source.name, data, pixel_limit()))
    return _save(batch, made._replace(outcome=made.outcome._replace(source=source)))


def _contents(source: Source) -> bytes | None:
    """A picture's file; None where it is not to be sent, or cannot be read: why is then found out here."""
    if source.read or not os.path.isfile(source.path) or os.path.getsize(source.path) > MOST_SENT:
        return None
    try:
        data = source.path.read_bytes()
    except OSError:
        return None
    return None if kind_of(data[:HEAD]) is Kind.NPY else data


def _for_worker(batch: Batch) -> Batch:
    requests = [request.each(lambda one: one.computed(threads=1, cluster=None)) for request in batch.requests]
    return replace(batch, requests=requests, destination=replace(batch.destination, if_exists=IfExists.REPLACE))


def _process(sent: Sent) -> Made:
    limit_pixels(sent.max_pixels)
    outputs: dict[Path, bytes] = {}
    destination = replace(sent.batch.destination, opener=partial(_collected, outputs))
    batch = replace(sent.batch, destination=destination)
    source = Source.of_bytes(sent.data, sent.word)
    return Made(batch.process(source)._replace(source=Source.of_file(sent.word)), outputs)


@contextmanager
def _collected(outputs: dict[Path, bytes], path: Path, if_exists: IfExists) -> Iterator[BinaryIO]:
    stream = BytesIO()
    yield stream
    outputs[path] = stream.getvalue()


def _save(batch: Batch, made: Made) -> Outcome:
    """Save what was made, but what is there already and may be left."""
    outcome, saved = made.outcome, set()
    try:
        batch.destination.refuse_existing(list(made.outputs))
        for path, data in made.outputs.items():
            if not batch.destination.skips([path]):
                with batch.destination.open(path) as stream:
                    stream.write(data)
                saved.add(str(path))
    except ConvcliError as error:
        outcome = outcome._replace(error=error)
    return outcome._replace(written=tuple(each for each in outcome.written if each.output in saved))
