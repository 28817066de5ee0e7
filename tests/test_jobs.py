"""A job gives what its work gives; it ends when it is stopped, when its owner goes, and when its time is over."""

import gc
import threading

import pytest

from attention import jobs, survey
from attention.jobs import Job, JobError, Lane
from attention.records import StoppedError
from tests.jobs import ended, under_way
from tests.surveys import Tiny, folder, network, same


class Gate:
    """Work that reports once it is let go, a thousand times at most."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, report):
        self.begun.set()
        for number in range(1000):
            self.go.wait(60)
            report(number)
        return "all of it"


class Endless(Gate):
    """The same, which only an exception ends."""

    def __call__(self, report):
        self.begun.set()
        self.go.wait(60)
        while True:
            report(0)


def test_a_job_gives_what_its_work_gives_and_shows_how_far_it_is():
    work = Gate()
    job = Job("The job", work, seconds=60)
    assert work.begun.wait(60) and job.progress is None and not job.finished and not job.wait(0)
    work.go.set()
    assert job.result(60) == "all of it"
    assert job.wait(60) and job.finished and job.progress == 999 and not job.stopping
    assert ended()


def test_a_job_that_is_stopped_ends_and_leaves_no_thread():
    work = Gate()
    job = Job("The job", work, seconds=60)
    job.stop()
    work.go.set()
    with pytest.raises(StoppedError, match="The job was stopped before it was done: nothing of it is kept"):
        job.result(60)
    assert job.stopping and job.progress == 0 and ended()


def test_a_job_that_is_done_stays_done_when_it_is_stopped_then():
    job = Job("The job", lambda report: 7, seconds=60)
    assert job.wait(60)
    job.stop()
    assert job.result() == 7


@pytest.mark.parametrize("held_by", ["a name", "a circle"])
def test_a_job_whose_owner_is_gone_ends(held_by):
    work = Endless()
    job = Job("The job", work, seconds=60)
    if held_by == "a circle":
        owner = {"job": job}
        owner["self"] = owner
        del owner
    assert work.begun.wait(60)
    del job
    gc.collect()
    work.go.set()
    assert ended(10)


def test_a_job_whose_time_is_over_says_so_and_ends(monkeypatch):
    work, now = Endless(), [100.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now[0])
    job = Job("The job", work, seconds=120)
    now[0] += 121
    work.go.set()
    with pytest.raises(JobError, match="The job took longer than 2 minutes, and was stopped"):
        job.result(60)
    monkeypatch.undo()
    assert ended()


def test_exactly_at_its_time_a_job_still_goes_on(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now[0])
    inside = jobs._JobState("The job", 60)
    now[0] = 160.0
    inside.report("there")
    assert inside.progress == "there"


def test_what_goes_wrong_inside_is_raised_by_the_result():
    def broken(report):
        raise RuntimeError("broken on purpose")

    job = Job("The job", broken, seconds=60)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        job.result(60)
    assert ended()


def test_one_job_at_a_time_is_in_a_lane_however_the_one_before_it_ended():
    lane, work = Lane("Another one runs."), Gate()
    job = Job("The first", work, seconds=60, lane=lane)
    with pytest.raises(JobError, match=r"Another one runs\."):
        Job("The second", lambda report: 1, seconds=60, lane=lane)
    job.stop()
    work.go.set()
    assert job.wait(60)
    broken = Job("The third", lambda report: 1 / 0, seconds=60, lane=lane)
    assert broken.wait(60)
    assert Job("The fourth", lambda report: 4, seconds=60, lane=lane).result(60) == 4


def test_a_job_that_gets_no_thread_says_so_and_leaves_its_lane(monkeypatch):
    lane = Lane("Another one runs.")

    def none(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        with pytest.raises(JobError, match="The job cannot start: can't start new thread"):
            Job("The job", lambda report: 1, seconds=60, lane=lane)
    assert Job("The job", lambda report: 1, seconds=60, lane=lane).result(60) == 1


@pytest.fixture
def pictures(tmp_path):
    return survey.list_pictures(folder(tmp_path / "pictures", {"a": 40, "b": 40}))


def test_a_survey_in_a_job_is_that_in_the_foreground(pictures):
    net = network()
    job = Job("The survey", lambda report: survey.run(net, pictures, progress=report), seconds=60)
    assert same(job.result(60), survey.run(net, pictures))
    assert job.progress.done == job.progress.total == 80


class Waiting(Tiny):
    """Waits in its pass until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def forward(self, x):
        self.go.wait(60)
        return super().forward(x)


def test_a_survey_that_is_stopped_leaves_no_thread_of_its_engine(pictures):
    module = Waiting()
    net, before = network(module), threading.active_count()
    job = Job("The survey", lambda report: survey.run(net, pictures, progress=report), seconds=60)
    assert threading.active_count() > before
    job.stop()
    module.go.set()
    with pytest.raises(StoppedError):
        job.result(60)
    assert ended() and not under_way() and threading.active_count() == before
