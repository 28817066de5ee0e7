"""A survey in a thread of its own, one at a time in this process: followed, cancelled, and stopped with its owner."""

import threading
import weakref
from concurrent.futures import Future

from attention.models import Network
from attention.survey.pictures import PictureList
from attention.survey.result import Result, SurveyError, with_root
from attention.survey.running import Progress, run

# A survey takes all processors.
_alone = threading.Lock()


class Background:
    """A survey that runs until it is done, cancelled, or until nobody holds this any more."""

    def __init__(self, network: Network, pictures: PictureList, name: str) -> None:
        """Starts it; `name` stands in the result in place of the path of the pictures.

        Raises SurveyError where another one runs in this process.
        """
        if not _alone.acquire(blocking=False):
            raise SurveyError("Another survey runs on this server, and one at a time is allowed; try again later.")
        self.card, self.name, self.pictures = network.card, name, pictures
        self._inside = _Inside()
        weakref.finalize(self, self._inside.cancel.set)
        threading.Thread(target=self._inside.work, args=(network, pictures, name), daemon=True).start()

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before the first batch is done."""
        return self._inside.progress

    @property
    def finished(self) -> bool:
        """Whether `result` returns at once, or raises."""
        return self._inside.future.done()

    def cancel(self) -> None:
        """Ask it to stop after the batch at hand: `result` raises CancelledError then."""
        self._inside.cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._inside.cancel.is_set()

    def result(self, seconds: float | None = None) -> Result:
        """Waits for the result. Raises what the survey raised, and TimeoutError after so many seconds."""
        return self._inside.future.result(seconds)


class _Inside:
    """What the thread holds: not its owner, so that the owner can go."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.progress: Progress | None = None
        self.future: Future[Result] = Future()

    def work(self, network: Network, pictures: PictureList, name: str) -> None:
        try:
            result = with_root(run(network, pictures, progress=self._follow, cancel=self.cancel), name)
        except BaseException as error:  # whoever asks for the result gets it
            _alone.release()
            self.future.set_exception(error)
        else:
            _alone.release()
            self.future.set_result(result)

    def _follow(self, progress: Progress) -> None:
        self.progress = progress
