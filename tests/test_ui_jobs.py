"""A job on a page: it can be stopped wherever it is, it is never an error, and it has an end and an owner."""

import gc
import threading

import pytest
from streamlit.testing.v1 import AppTest

from attention.ui import jobs
from attention.ui.cache import STORE
from tests.jobs import ended, finished, under_way

PAGE = """
import streamlit as st
from attention.ui import jobs, widgets
from tests import test_ui_jobs

with widgets.errors():
    done = jobs.result_of("it", test_ui_jobs.WORK.key, "What it costs.", test_ui_jobs.WORK)
    if done is not None:
        st.text(done)
"""
PLACES = ["before it begins", "in the middle", "after the last pass"]


class Work:
    """Two passes; it waits at one of the PLACES until it is let go."""

    def __init__(self, place: str) -> None:
        self.place, self.key, self.runs = place, (place, id(self)), 0
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, report: jobs.Report) -> str:
        self.runs += 1
        for number, place in enumerate(PLACES):
            if place == self.place:
                self.reached.set()
                self.go.wait(60)
            if number < 2:
                report(number + 1, 2)
        return f"found by run {self.runs}"


WORK = Work("")


@pytest.fixture(params=PLACES)
def work(request, monkeypatch):
    made = Work(request.param)
    monkeypatch.setattr(jobs, "AT_ONCE", 0)
    monkeypatch.setitem(globals(), "WORK", made)
    monkeypatch.setattr("tests.test_ui_jobs.WORK", made)
    yield made
    made.go.set()
    STORE.clear()


def page() -> AppTest:
    return sound(AppTest.from_string(PAGE, default_timeout=60).run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [*app.exception, *app.error]
    return app


def press(app: AppTest, key: str) -> AppTest:
    return sound(app.button(key=key).click().run())


@pytest.mark.parametrize("clicks", [1, 2])
def test_stop_ends_in_no_error_wherever_the_job_is_and_it_can_be_started_anew(work, clicks):
    app = press(page(), "start_it")
    assert work.reached.wait(60)
    stop = app.button(key="stop_it")
    for _ in range(clicks):
        sound(stop.click().run())
    work.go.set()
    app = sound(finished(app))
    if work.place == PLACES[-1]:
        assert [each.value for each in app.text] == ["found by run 1"]
        return
    assert [each.value for each in app.caption] == ["Stopped before it was done: nothing of it is kept."]
    assert not app.text
    app = finished(press(app, "start_it"))
    assert [each.value for each in sound(app).text] == ["found by run 2"]


def test_stopping_ones_own_leaves_that_of_another_visitor(work):
    first, second = press(page(), "start_it"), press(page(), "start_it")
    assert work.reached.wait(60)
    press(first, "stop_it")
    work.go.set()
    first, second = sound(finished(first)), sound(finished(second))
    assert [each.value for each in second.text] == ["found by run 2"]


def test_a_job_whose_time_is_over_is_one_sentence(work, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_JOB_SECONDS", "0")
    if work.place == PLACES[-1]:
        work.place = ""
    app = page().button(key="start_it").click().run()
    work.go.set()
    assert ended()
    app = app if app.error else app.run()
    assert not app.exception and len(app.error) == 1
    assert "The job took longer than 0 seconds" in app.error[0].value.replace("\\", "")
    app = app.run()
    assert len(app.error) == 1, "it is said until it is started anew"
    monkeypatch.delenv("GATESCOPE_MAX_JOB_SECONDS")
    app = app.button(key="start_it").click().run()
    assert [each.value for each in sound(finished(app)).text] == ["found by run 2"]


def test_the_job_of_a_visitor_who_left_ends(work):
    app = press(page(), "start_it")
    assert work.reached.wait(60) and under_way()
    del app
    gc.collect()
    work.go.set()
    assert ended()
