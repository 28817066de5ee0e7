"""Engines and interruptions change no bit: threads, Ray, kill -9, Ctrl-C; and ten thousand pictures."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attention import survey
from attention.survey import running
from attention.survey.partials import Partial
from attention.survey.passes import BatchPlan
from tests.surveys import Mortal, Tiny, folder, network, same

ROOT = Path(__file__).parents[1]


def started(code, *arguments):
    """A process that runs the code with the arguments in sys.argv[1:]."""
    head = "import sys; from pathlib import Path; from attention import survey; from tests.surveys import *\n"
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process, within=300):
    """What it said. The test fails where it went wrong or took too long."""
    try:
        said, _ = process.communicate(timeout=within)
    finally:
        process.kill()
    assert process.returncode == 0, said
    return said


SLOW = """
import time
from attention.survey import running
running.SAVE_SECONDS = 0
source, out, seconds = sys.argv[1:]
settings = survey.Settings(batch_size=4, out=Path(out), resume=True)
def progress(at):
    time.sleep(float(seconds))
survey.run(network(), survey.list_pictures(Path(source)), settings=settings, progress=progress)
"""


def test_a_killed_survey_goes_on_to_the_same_bits(tmp_path):
    source = folder(tmp_path / "pictures", {"a": 50, "b": 30})
    out = tmp_path / "r.parquet"
    process, began = started(SLOW, source, out, 0.3), time.monotonic()
    while not (tmp_path / "r.parquet.partial").exists():
        assert process.poll() is None and time.monotonic() - began < 120
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not out.exists()
    finished(started(SLOW, source, out, 0))
    found = survey.read(out)
    assert 0 < found.provenance["run"]["resumed_at"] < 80
    whole = survey.run(
        network(),
        survey.list_pictures(source),
        settings=survey.Settings(batch_size=4, out=tmp_path / "w.parquet"),
    )
    assert same(survey.read(tmp_path / "w.parquet"), found) and whole.pictures == found.pictures == 80


RAY = """
import ray, torch
source, out, grave = map(Path, sys.argv[1:])
net = network(Mortal(grave))
net.module.load_state_dict(network().module.state_dict())
ray.init(include_dashboard=False, log_to_driver=False)
survey.run(net, survey.list_pictures(source), settings=survey.Settings(engine="ray", batch_size=4, out=out))
settings = survey.Settings(engine="ray", workers=1)
try:
    survey.run(network(torch.nn.Conv2d(3, 3, 1)), survey.list_pictures(source), settings=settings)
except survey.SurveyError as error:
    assert ray.is_initialized()
    print(error)
"""


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory):
    """A folder, its survey on Ray where a worker was killed, and what one said of a network that is no classifier."""
    root = tmp_path_factory.mktemp("ray")
    source = folder(root / "pictures", {"a": 60, "b": 45})
    (source / "a" / "00007.png").write_bytes(b"broken")
    said = finished(started(RAY, source, root / "r.parquet", root / "grave"))
    assert (root / "grave").exists()
    return source, root / "r.parquet", said


def test_ray_gives_the_same_bits_as_threads_though_a_worker_was_killed(on_ray, tmp_path):
    source, result, _ = on_ray
    out = tmp_path / "local.parquet"
    survey.run(network(), survey.list_pictures(source), settings=survey.Settings(batch_size=4, out=out))
    one, two = survey.read(out), survey.read(result)
    assert same(one, two) and one.pictures == 104


def test_what_is_wrong_with_the_network_comes_back_from_ray_as_one_sentence(on_ray):
    assert any(line.endswith("only classifiers are allowed.") for line in on_ray[2].splitlines())


def test_without_ray_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    pictures = survey.list_pictures(folder(tmp_path, {"a": 1}))
    with pytest.raises(survey.SurveyError, match=r"Ray is not installed; `pip install -r requirements-ray\.txt`"):
        survey.run(network(), pictures, settings=survey.Settings(engine="ray"))


def test_a_module_that_kills_leaves_its_maker_alive(tmp_path):
    module = Mortal(tmp_path / "grave")
    survey.run(network(module), survey.list_pictures(folder(tmp_path / "pictures", {"a": 1})))
    assert not module.grave.exists()


class FakeRay:
    """Notes what is asked of it."""

    def __init__(self, runs: bool) -> None:
        self.runs, self.calls = runs, []

    def is_initialized(self) -> bool:
        return self.runs

    def init(self, **settings: object) -> None:
        self.calls.append("init")

    def shutdown(self) -> None:
        self.calls.append("shutdown")


@pytest.mark.parametrize(("runs", "calls"), [(False, ["init", "shutdown"]), (True, [])])
@pytest.mark.parametrize("broken", [False, True])
def test_a_ray_that_was_started_for_a_survey_goes_with_it_and_another_stays(monkeypatch, tmp_path, runs, calls, broken):
    ray, wrong = FakeRay(runs), survey.SurveyError("broken on purpose")
    part = pickle.dumps(wrong if broken else Partial(3))
    monkeypatch.setattr(running, "_import_ray", lambda: ray)
    monkeypatch.setattr(running, "_dataset", lambda *_: SimpleNamespace(iter_rows=lambda: [{"part": part}]))
    plan = BatchPlan(network(), survey.list_pictures(folder(tmp_path, {"a": 3})), (0,), 8)
    if broken:
        with pytest.raises(survey.SurveyError, match="broken on purpose"):
            list(running.ray_partials(plan, 0, None))
    else:
        assert [each.pictures for each in running.ray_partials(plan, 0, None)] == [3]
    assert ray.calls == calls


def test_two_thousand_pictures_are_each_counted_once(tmp_path):
    random_classes = {f"class {number}": 100 for number in range(20)}
    pictures = survey.list_pictures(folder(tmp_path, random_classes, side=4))
    result = survey.run(network(size=4), pictures, settings=survey.Settings(batch_size=40))
    assert result.pictures == 2_000 and result.failures == ()
    for gate in result.gates:
        assert gate.classes.count.tolist() == [100] * 20 and gate.overall.count == 2_000
        assert (gate.histogram.sum(-1) == 2_000).all()


class Hungry(Tiny):
    """Has memory for a few pictures alone."""

    def __init__(self, most):
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.")
        return super().forward(x)


@pytest.fixture
def pictures(tmp_path):
    return survey.list_pictures(folder(tmp_path / "pictures", {"a": 9, "b": 8, "c": 7}))


class Fickle(Hungry):
    """Has another gate for few pictures."""

    def forward(self, x):
        return super().forward(x) if len(x) > 2 else self.head((x * torch.sigmoid(x)).mean((2, 3)))


def test_gates_that_differ_between_the_parts_of_a_batch_are_refused(pictures):
    settings = survey.Settings(batch_size=5, workers=1)
    with pytest.raises(survey.SurveyError, match="applies other gates to some pictures"):
        survey.run(network(Fickle(3)), pictures, settings=settings)


def test_batches_that_do_not_fit_are_halved_once_for_all_and_the_result_says_so(pictures):
    hungry, told = Hungry(3), []
    settings = survey.Settings(batch_size=8, workers=1)
    result = survey.run(network(hungry), pictures, settings=settings, progress=told.append)
    tiny = Tiny()
    tiny.load_state_dict(hungry.state_dict())
    plain = survey.run(network(tiny), pictures, settings=settings)
    for one, other in zip(result.gates, plain.gates, strict=True):
        np.testing.assert_allclose(one.overall.mean, other.overall.mean, atol=1e-6)
        assert (one.histogram == other.histogram).all()
    assert hungry.seen[:2] == [8, 4] and max(hungry.seen[4:]) <= 3  # found out on the first batch
    assert result.provenance["run"]["batches_halved"] == 2 and "batches_halved" not in plain.provenance["run"]
    assert str(told[-1]).endswith("each batch in 4 parts for want of memory")


def test_one_picture_that_does_not_fit_is_one_sentence(pictures):
    with pytest.raises(survey.SurveyError, match="does not hold one picture's pass: CUDA out of memory"):
        survey.run(network(Hungry(0)), pictures, settings=survey.Settings(batch_size=4, workers=1))


@pytest.mark.parametrize(
    "settings", [{"gpus": 1.0}, *({"gpus": gpus, "engine": "ray"} for gpus in (-1.0, float("nan"), float("inf")))]
)
def test_gpus_are_asked_of_ray_alone(settings):
    with pytest.raises(survey.SurveyError, match="GPUs"):
        survey.Settings(**settings)


def test_a_cluster_without_a_gpu_says_so():
    with pytest.raises(survey.SurveyError, match="Each worker is to have 1 GPUs, and Ray has 0"):
        running._check_gpus(0, 1.0)
    running._check_gpus(2, 0.5)


def test_an_actor_moves_its_network_to_the_device_that_it_asked_for(pictures):
    plan = BatchPlan(network(Tiny()), pictures, (0, 1, 2), 4)
    part = running.RayActor(pickle.dumps(plan), "cpu")._part(0)
    assert isinstance(part, Partial) and part.pictures == 4
    with pytest.raises((RuntimeError, AssertionError)):  # there is no such device here
        running.RayActor(pickle.dumps(plan), "cuda:7")
