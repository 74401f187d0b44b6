"""A convolution that takes long is announced, and says how much is left."""

import numpy as np
import pytest
from typer.testing import CliRunner

from convcli.check.gradcheck import PROBES, SAMPLE, check_gradients
from convcli.cli import progress
from convcli.cli.app import app
from convcli.cli.messages import Messages
from convcli.cli.progress import LongWork
from convcli.convolution.prepared import Convolution
from convcli.engine import Execution
from convcli.engine.plan import Choice


class Recorded:
    """A watch that records what it is told."""

    def __init__(self):
        self.begun, self.advanced = [], []

    def begin(self, seconds):
        self.begun.append(seconds)

    def advance(self, seconds):
        self.advanced.append(seconds)


@pytest.mark.parametrize("wrt", ["Z", "stored", "K", "V", "K,V,b"])
@pytest.mark.parametrize("tiling", [(), (2, 3)], ids=["shared", "tiled"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_watch_sees_the_whole_estimate(wrt, tiling, threads):
    V, K = np.ones((2, 3, 60, 50)), np.ones((2, *tiling, 3, 5, 4))
    watch = Recorded()
    prepared = Convolution.of(K).at(V.shape, V.dtype)
    execution = Execution(threads=threads, memory=60_000, watch=watch)
    if wrt == "Z":
        prepared.convolve(V, prepared.plan(execution))
    elif wrt == "stored":
        prepared.store(V, prepared.plan(execution), lambda place, tile: None)
    else:
        prepared.gradients(V, np.ones(prepared.geometry.output_shape), prepared.plan_gradients(wrt, execution))
    assert len(watch.begun) == 1
    assert len(watch.advanced) > 1
    assert sum(watch.advanced) == pytest.approx(watch.begun[0])


def test_the_watch_sees_all_phases_and_pads_of_dV():
    V, watch = np.ones((3, 60, 50)), Recorded()
    prepared = Convolution.of(np.ones((2, 3, 5, 4)), stride=2, padding=3, edge="reflect").at(V.shape, V.dtype)
    plan = prepared.plan_gradients("V", Execution(threads=1, watch=watch))
    prepared.gradients(V, np.ones(prepared.geometry.output_shape), plan)
    assert watch.begun == [pytest.approx(plan.input.elapsed)]
    assert sum(watch.advanced) == pytest.approx(watch.begun[0])
    assert plan.input.elapsed > 2 * plan.input.first.estimate.seconds


@pytest.mark.parametrize("every", [False, True])
def test_a_check_announces_all_its_convolutions_at_once(every):
    V, K, watch = np.ones((1, 6, 5)), np.eye(3), Recorded()
    prepared = Convolution.of(K).at(V.shape, np.float64)
    check_gradients(prepared, V, np.ones((1, 4, 3)), every=every, execution=Execution(threads=1, watch=watch))
    alone = prepared.plan_any_kernel().elapsed
    entries = 9 + (30 if every else SAMPLE) + 1
    assert watch.begun[0] == pytest.approx((2 * entries + 1 + PROBES) * alone)
    # The definition, and the gradients of the convolution, of ones (dV alone), and of probes.
    assert len(watch.begun) == 1 + 3 + PROBES
    assert sum(watch.advanced) == pytest.approx(sum(watch.begun))


@pytest.mark.parametrize("wrt", ["Z", "K"])
def test_the_tiles_are_listed_once_however_many_report(wrt, monkeypatch):
    listed, tiles = [], Choice.tiles.fget
    monkeypatch.setattr(Choice, "tiles", property(lambda choice: listed.append(choice) or tiles(choice)))
    V, watch = np.ones((1, 60, 50)), Recorded()
    prepared = Convolution.of(np.ones((1, 1, 5, 4))).at(V.shape, V.dtype)
    execution = Execution(threads=1, memory=30_000, watch=watch)
    if wrt == "Z":
        prepared.convolve(V, prepared.plan(execution))
    else:
        prepared.gradients(V, np.ones(prepared.geometry.output_shape), prepared.plan_gradients(wrt, execution))
    assert len(watch.advanced) > 1
    assert len(listed) == 1


def test_short_work_says_nothing(capfd):
    work = LongWork(Messages())
    work.begin(9.9)
    work.advance(9.9)
    assert capfd.readouterr().err == ""


def test_short_parts_of_long_work_count(capfd, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    work = LongWork(Messages())
    work.begin(20)
    work.begin(5)
    now[0] += 40
    work.advance(20)
    assert capfd.readouterr().err.splitlines() == [
        "convcli: progress: this will take about 0:00:20, as convcli plan explains",
        "convcli: progress: 80%, 0:00:10 left",
    ]


def test_long_work_says_how_long_and_how_much_is_left(capfd, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    work = LongWork(Messages())
    work.begin(100)
    for _ in range(4):
        now[0] += 20
        work.advance(10)
    assert capfd.readouterr().err.splitlines() == [
        "convcli: progress: this will take about 0:01:40, as convcli plan explains",
        "convcli: progress: 10%, 0:03:00 left",
        "convcli: progress: 20%, 0:02:40 left",
        "convcli: progress: 40%, 0:02:00 left",
    ]


def test_quiet_work_says_nothing(capfd):
    LongWork(Messages(quiet=True)).begin(1e6)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("command", ["apply", "grad", "check"])
def test_from_the_command_line(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "LONG", 0)
    np.save("V.npy", np.arange(400.0).reshape(1, 20, 20))
    output = ["-o", "Z.npy"] if command == "apply" else []
    result = CliRunner().invoke(app, [command, "V.npy", "-k", "box", *output])
    assert result.exit_code == 0
    assert "convcli: progress: this will take about 0:00:00" in result.stderr
