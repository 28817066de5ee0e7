"""Waiting for what runs in the background of a page."""

import threading
import time

from streamlit.testing.v1 import AppTest


def under_way() -> list[threading.Thread]:
    """The threads of jobs."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("job: ")]


def ended(seconds: float = 60) -> bool:
    """Whether no job is under way, after a while at most."""
    until = time.monotonic() + seconds
    while under_way() and time.monotonic() < until:
        time.sleep(0.02)
    return not under_way()


def finished(app: AppTest) -> AppTest:
    """The page once the jobs that were started on it are done, and it has shown what they came to."""
    assert ended(400)  # a comparison over all samples, on a machine that may be busy
    return app.run()
