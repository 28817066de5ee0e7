"""Work in a thread of its own: followed, stopped, and ended with its owner or when its time is over."""

import threading
import time
import weakref
from collections.abc import Callable
from concurrent import futures
from typing import Generic, TypeVar

from attention.numbers import duration
from attention.records import GatescopeError, StoppedError

P = TypeVar("P")
R = TypeVar("R")


class JobError(GatescopeError):
    """A job that cannot start, or whose time was over; the message says why."""


class Lane:
    """Jobs of which one at a time may run in this process; `busy` is said where another one is under way."""

    def __init__(self, busy: str) -> None:
        self._lock, self.busy = threading.Lock(), busy

    def enter(self) -> None:
        """Raises JobError where another job is under way."""
        if not self._lock.acquire(blocking=False):
            raise JobError(self.busy)

    def leave(self) -> None:
        """Lets the next one in."""
        self._lock.release()


class Job(Generic[P, R]):
    """Work that runs until it is done or stopped, until its time is over, or until nobody holds this any more.

    The work is called with `report`, and stops in a call of it: that is when it hears of all this. It must not hold
    the job itself. A person's session holds its jobs, so that they end with it.
    """

    def __init__(
        self, name: str, work: Callable[[Callable[[P], None]], R], *, seconds: float, lane: Lane | None = None
    ) -> None:
        """Starts it; `name` begins the sentences that are said of it, and `seconds` is its time.

        Raises JobError where the lane is not free.
        """
        if lane:
            lane.enter()
        self._state: _JobState[P, R] = _JobState(name, seconds)
        weakref.finalize(self, self._state.stop.set)
        run = threading.Thread(target=self._state.run, args=(work, lane), name=f"job: {name}", daemon=True)
        try:
            run.start()
        except RuntimeError as error:  # no more threads
            if lane:
                lane.leave()
            raise JobError(f"{name} cannot start: {error}.") from error

    @property
    def progress(self) -> P | None:
        """What was reported last; None before the first time."""
        return self._state.progress

    @property
    def finished(self) -> bool:
        """Whether `result` returns at once, or raises."""
        return self._state.future.done()

    @property
    def failed(self) -> bool:
        """Whether `result` raises at once."""
        return self.finished and self._state.future.exception() is not None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._state.stop.is_set()

    def stop(self) -> None:
        """Ask it to stop at its next report: `result` raises StoppedError then."""
        self._state.stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether it is finished, after waiting for that so many seconds at most."""
        return bool(futures.wait([self._state.future], seconds).done)

    def result(self, seconds: float | None = None) -> R:
        """Waits for the result. Raises what the work raised, and TimeoutError after so many seconds."""
        return self._state.future.result(seconds)


class _JobState(Generic[P, R]):
    """What the thread holds: not its owner, so that the owner can go."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds, self.end = name, seconds, time.monotonic() + seconds
        self.stop = threading.Event()
        self.progress: P | None = None
        self.future: futures.Future[R] = futures.Future()

    def run(self, work: Callable[[Callable[[P], None]], R], lane: Lane | None) -> None:
        try:
            try:
                outcome = work(self.report)
            finally:  # before anybody hears of the end
                if lane:
                    lane.leave()
        except BaseException as error:  # whoever asks for the result gets it
            self.future.set_exception(error)
        else:
            self.future.set_result(outcome)

    def report(self, progress: P) -> None:
        """Raises StoppedError and JobError where the work is to end."""
        self.progress = progress
        if self.stop.is_set():
            raise StoppedError(f"{self.name} was stopped before it was done: nothing of it is kept.")
        if time.monotonic() > self.end:
            raise JobError(f"{self.name} took longer than {duration(round(self.seconds))}, and was stopped.")
