"""One network measured in a process of its own, which ends with it and gives its memory back."""

import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from benchmarks.discovery.measure import Row, measure

_PRELOADED = ["torch", "timm", "torchvision.models", "pytorchcv.model_provider", __name__]


def apart(name: str, limit: int) -> Row | str:
    """The row of a network, or why there is none."""
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(name, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(limit) else f"took more than {limit} seconds"
    except EOFError:
        return "its process ended without an answer"
    finally:
        process.kill()
        process.join()


def _context() -> ForkServerContext:
    """Forks of a server that has imported the zoos once."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _answer(name: str, sender: Connection) -> None:
    try:
        sender.send(measure(name))
    except Exception as error:
        sender.send(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
