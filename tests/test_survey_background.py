"""A survey in the background gives what it gives in the foreground; one runs at a time, and none without an owner."""

import threading
import time

import pytest

from attention import survey
from attention.survey import background
from tests.surveys import Tiny, folder, network, same


class Held(Tiny):
    """Waits in its pass until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def forward(self, x):
        self.go.wait(60)
        return super().forward(x)


def ended() -> bool:
    """Whether no survey runs, after a while at most."""
    until = time.monotonic() + 60
    while background._alone.locked() and time.monotonic() < until:
        time.sleep(0.02)
    return not background._alone.locked()


@pytest.fixture
def pictures(tmp_path):
    return survey.list_pictures(folder(tmp_path / "pictures", {"a": 40, "b": 40}))


def test_the_result_is_that_of_a_survey_in_the_foreground_under_another_name(pictures):
    running = survey.Background(network(), pictures, "two classes")
    found, wanted = running.result(60), survey.run(network(), pictures)
    assert same(found.gates, wanted.gates) and same(found.predictions, wanted.predictions)
    assert found.provenance["pictures"] == wanted.provenance["pictures"] | {"root": "two classes"}
    assert running.finished and running.progress.done == running.progress.total == 80


def test_one_runs_at_a_time_and_the_next_one_after_it_was_cancelled(pictures):
    module = Held()
    running = survey.Background(network(module), pictures, "first")
    with pytest.raises(survey.SurveyError, match="one at a time"):
        survey.Background(network(), pictures, "second")
    running.cancel()
    module.go.set()
    with pytest.raises(survey.CancelledError, match="stopped after"):
        running.result(60)
    assert running.cancelled and ended()
    assert survey.Background(network(), pictures, "third").result(60).pictures == 80


def test_a_survey_that_nobody_holds_any_more_stops(pictures):
    module = Held()
    running = survey.Background(network(module), pictures, "lost")
    inside = running._inside
    del running
    module.go.set()
    assert inside.cancel.is_set()
    with pytest.raises(survey.CancelledError):
        inside.future.result(60)
    assert ended()


def test_what_goes_wrong_inside_is_raised_by_the_result_and_frees_the_place(pictures):
    running = survey.Background(network(Broken()), pictures, "broken")
    with pytest.raises(RuntimeError, match="on purpose"):
        running.result(60)
    assert ended()


class Broken(Tiny):
    def forward(self, x):
        raise RuntimeError("broken on purpose")
