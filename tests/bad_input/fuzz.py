"""Read damaged files in this process, by every function that reads: far more per second than commands can.

    python tests/bad_input/fuzz.py FOLDER --seed 1 --count 100000
    python tests/bad_input/fuzz.py FOLDER --seed 1 --count 100000 --guided

With ``--guided``, atheris (pip install atheris) chooses the inputs by the lines of Python that they reach, in convcli,
Pillow and tifffile; otherwise they are drawn at random. An input that breaks a promise is saved in the folder, and the
exit code is 1. A crash or an endless input ends the process; the input is then in ``FOLDER/last``.
"""

import argparse
import hashlib
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

# Bytes besides those of the program, seconds for one input, and pixels.
MEMORY, SECONDS, PIXELS = 400 << 20, 30, 1_000_000


def main():
    """Read the inputs; return the exit code."""
    options = parsed_options()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if options.guided:
            import atheris

            stack.enter_context(atheris.instrument_imports(include=["convcli", "PIL", "tifffile"]))
        import corpus

        files = list(corpus.KINDS[options.kind]().values())
        fuzzer = Fuzzer(options.folder, files)
    for data in files:
        fuzzer.read(data)
    limit_memory()
    fuzzer.begin(options.seed, options.count)
    if options.guided:
        guided(fuzzer, options)
    draw = random.Random(options.seed)
    for _ in range(options.count):
        fuzzer.read(fuzzer.drawn(draw))
    return int(fuzzer.faults > 0)


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kind", choices=("pictures", "arrays", "files"), default="files")
    parser.add_argument("--guided", action="store_true")
    return parser.parse_args()


class Fuzzer:
    """Reads inputs, and counts those that can be read and those that break a promise.

    files: undamaged files.
    """

    def __init__(self, folder, files):
        import damage

        self._damage, self._folder, self._files = damage, folder, files
        # Opening it for each input would take longer than reading the input.
        self._last = open(folder / "last", "wb", buffering=0)  # noqa: SIM115
        self.begin(None, None)

    def close(self):
        """Close the file of the last input."""
        self._last.close()

    def begin(self, seed, count):
        """Count from now on, and say what was counted after this number of inputs."""
        self.seed, self.count, self.begun = seed, count, time.monotonic()
        self.tried = self.readable = self.faults = 0

    def drawn(self, draw):
        """Return one of the files, damaged."""
        return self.mutated(draw.choice(self._files), draw)

    def mutated(self, data, draw):
        """Return data, damaged."""
        return self._damage.damaged(data, draw.choice(self._files), draw)

    def read(self, data):
        """Read an input by every function that reads."""
        self.tried += 1
        self._last.truncate(len(data))
        os.pwrite(self._last.fileno(), data, 0)
        signal.alarm(SECONDS)
        try:
            self.readable += is_read(data)
        except Exception:
            self.faults += 1
            name = self._folder / f"fault-{hashlib.sha1(data).hexdigest()[:10]}"
            name.write_bytes(data)
            print(f"{name}:\n{traceback.format_exc()[-2000:]}", flush=True)
        signal.alarm(0)
        if self.tried == self.count:
            seconds = time.monotonic() - self.begun
            counts = f"{self.tried:,} tried, {self.readable:,} read, {self.faults} faults"
            print(f"seed {self.seed}: {counts}, {seconds:.0f} s", flush=True)


def is_read(data):
    """Return whether the data is an image; raise an error if a function breaks a promise."""
    from convcli.files.source import Source
    from convcli.kernels.loading import read_kernel
    from convcli.pictures.reading import read_header

    source = replace(Source.of_bytes(data), max_pixels=PIXELS)
    result_of(lambda: read_kernel(source))
    header = result_of(lambda: read_header(source))
    frames = result_of(lambda: looked_at(source))
    assert frames is None or 1 <= len(frames) <= header.frames
    # The header foretells the first frame, and besides only what the file says about all frames.
    assert not frames or frames[0] == header._replace(frames=1, plays=None)
    return bool(frames)


def looked_at(source):
    """Return the headers of the frames up to one that is damaged."""
    from convcli.errors import ConvcliError
    from convcli.pictures.reading import iter_frames

    found = []
    try:
        for frame in iter_frames(source):
            found.append(frame.header)
            assert frame.pixels.size > 0
    except ConvcliError:
        if not found:
            raise
    return found


def result_of(read):
    """Return what the function returns; None if it raises an error of convcli's, in one printable line."""
    from convcli.errors import ConvcliError

    try:
        return read()
    except ConvcliError as error:
        text = str(error)
        assert "<bytes>" in text, text
        assert len(text.splitlines()) == 1, text
        assert len(text) < 2000, text
        assert "MemoryError" not in text, text
        assert "Unable to allocate" not in text, text
        return None


def limit_memory():
    """Let the process take no more than MEMORY beyond what it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def guided(fuzzer, options):
    """Let atheris choose the inputs; it ends the process after the last."""
    import atheris

    seeds = options.folder / "seeds"
    seeds.mkdir(exist_ok=True)
    for number, data in enumerate(fuzzer._files):
        (seeds / f"{number}").write_bytes(data)

    def mutate(data, most, seed):
        return fuzzer.mutated(data, random.Random(seed))[:most]

    flags = [f"-runs={options.count}", f"-seed={options.seed}", "-max_len=65536", "-rss_limit_mb=0", "-timeout=60"]

    def read(data):
        fuzzer.read(data)
        # Otherwise atheris would go on, and end with exit code 0.
        assert not fuzzer.faults

    atheris.Setup([sys.argv[0], *flags, str(seeds)], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    # Libraries announce future changes by these warnings.
    warnings.simplefilter("ignore", DeprecationWarning)
    # The helpers of all tests.
    sys.path.append(str(Path(__file__).parents[1]))
    sys.exit(main())
