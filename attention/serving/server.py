"""The dashboard, started from Python: in a script until it is stopped, in a notebook beside it."""

import asyncio
import contextlib
import copy
import ctypes
import gc
import socket
import tempfile
import threading
from collections.abc import Collection
from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from attention.models import Network
from attention.models.code import ModelOptions, network
from attention.serving.current import APP, ServingError, set_network
from attention.serving.guard import FigureScripts, Guard, LinkKeeper

if TYPE_CHECKING:
    from streamlit.web.server import Server
    from torch import nn

LOCALHOST = "localhost"
"""Only this machine can reach it."""
FORGET_SECONDS = 30.0
"""Seconds between two looks for visitors who have left."""
ARENAS = 2
"""Heaps that threads share. Each run of a page is a thread of its own, and glibc gives threads eight heaps a processor,
each of which keeps what its threads once needed."""
M_ARENA_MAX = -8
"""The parameter of mallopt for it, as malloc.h has it."""


class Running(NamedTuple):
    """A dashboard that is up."""

    url: str
    thread: threading.Thread
    server: "Server"
    loop: asyncio.AbstractEventLoop


# One streamlit server is all that a process can have.
_running: list[Running] = []


def serve(module: "nn.Module", *, port: int | None = None, **settings: Any) -> str:
    """Opens the dashboard on a copy of this module, and returns its address.

    In a script it returns when it is stopped (Ctrl-C); in a notebook at once, and another call there shows the new
    module at the same address. `port` is 8501 or the next free one by default; `settings` are those of ModelOptions:
    labels, image_size, mean, std. Raises ServingError.
    """
    from torch import nn

    name = type(module).__name__
    if not isinstance(module, nn.Module):
        raise ServingError(f"{name} cannot be served; a torch module is allowed.")
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # a module may hold anything
        raise ServingError(
            f"{name} cannot be copied: {error}; a module without the results of a pass is allowed."
        ) from error
    return show(network(copied, name, ModelOptions(**settings)), port=port)


def show(
    shown: Network | None,
    *,
    port: int | None = None,
    address: str = LOCALHOST,
    hosts: Collection[str] = (),
    headless: bool = False,
) -> str:
    """Opens the dashboard, on a network where one is given, and returns its address: at once where an event loop
    runs, as in a notebook, or in another thread than the main one; else when it is stopped. `hosts` are further names
    by which visitors reach it. Raises ServingError where the port is taken."""
    from streamlit import cli_util, config

    if not _running:
        _running.append(_start(port, address, hosts))
    running = _running[0]
    if shown:
        set_network(shown)
    if _in_background():
        return running.url
    print(f"{shown.card.name if shown else 'Gatescope'} is at {running.url} (Ctrl-C to stop)", flush=True)
    if not headless and not config.get_option("server.headless"):
        cli_util.open_browser(running.url)
    try:
        running.thread.join()
    except KeyboardInterrupt:
        running.loop.call_soon_threadsafe(running.server.stop)
        running.thread.join()
    _running.remove(running)
    return running.url


def _start(port: int | None, address: str, hosts: Collection[str]) -> Running:
    """The dashboard in a thread of its own, when it is up. (Streamlit's own starter needs the main thread.)"""
    from streamlit import config
    from streamlit.runtime import Runtime
    from streamlit.web import bootstrap

    if Runtime.exists():
        raise ServingError("This process has had a streamlit server, and can have but one; start Python anew.")
    _check_free(port or 0, address)
    _check_temporary()
    config._main_script_path = str(APP)  # by this, as in `streamlit run`, it finds the settings beside app.py
    chosen: dict[str, Any] = {"server_port": port, "server_address": address, "server_fileWatcherType": "none"}
    chosen["server_allowedHosts"] = ["*"]  # the guard knows which
    bootstrap.load_config_options(chosen)
    up: Future[Running] = Future()
    threading.Thread(target=lambda: asyncio.run(_run(up, address, hosts)), name="gatescope", daemon=True).start()
    return up.result()


async def _run(up: "Future[Running]", address: str, hosts: Collection[str]) -> None:
    from streamlit.web import bootstrap
    from streamlit.web.server import Server, server_util

    _c_library("mallopt", M_ARENA_MAX, ARENAS)
    import_module("pandas")  # plotly asks what is loaded, and fails on what another thread is loading
    threading.Thread(target=_load_torch, daemon=True).start()  # before the first visitor needs it
    try:
        _guard(hosts)
        server = Server(str(APP), is_hello=False)
        await server.start()
        bootstrap.prepare_streamlit_environment(str(APP))
    except BaseException as error:
        up.set_exception(error)
        return
    here = Running(server_util.get_url(address), threading.current_thread(), server, asyncio.get_running_loop())
    up.set_result(here)
    forgetting = asyncio.create_task(_forget_visitors())
    await server.stopped
    forgetting.cancel()


async def _forget_visitors() -> None:
    """Lets go of visitors whose time is over. Streamlit looks for them when somebody comes or goes, and leaves what
    they had to a collection of garbage, which may be long in coming."""
    from streamlit.runtime import Runtime

    while True:
        await asyncio.sleep(FORGET_SECONDS)
        Runtime.instance()._session_mgr._session_storage._cache.expire()  # type: ignore[attr-defined]
        await asyncio.to_thread(_return_memory)


def _load_torch() -> None:
    import_module("torch")
    gc.freeze()


def _return_memory() -> None:
    """What nobody uses any more goes back to the machine, as far as the C library has a way.

    Until the next time, collections of garbage leave out what is in use now: to walk all that torch and Streamlit hold
    takes a quarter of a second, in which every visitor waits.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _c_library("malloc_trim", 0)


def _c_library(function: str, *numbers: int) -> None:
    """Calls a function of glibc; nothing where the C library is another one."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), function)(*numbers)


def _guard(hosts: Collection[str]) -> None:
    """Puts the guard around what Streamlit is about to serve, in whose starter nothing else can be put."""
    from streamlit.web.server.starlette import starlette_server

    make = starlette_server.create_starlette_app

    def guarded(runtime: Any) -> Any:
        return Guard(FigureScripts(LinkKeeper(make(runtime))), runtime.uploaded_file_mgr.file_storage, hosts)

    starlette_server.create_starlette_app = guarded


def _check_free(port: int, address: str) -> None:
    """Raises ServingError where this cannot be listened on; port 0 is any. (An empty address would be all of them.)"""
    try:
        if not address.strip():
            raise ValueError("it is empty")
        address.encode("idna")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except (OSError, OverflowError, ValueError) as error:
        which = f"Port {port} of {address[:80]!r}" if port else f"The address {address[:80]!r}"
        raise ServingError(f"{which} cannot be had: {error}; choose another.") from error


def _check_temporary() -> None:
    """Raises ServingError where no temporary file can be written.

    Torch asks for their folder when a part of it is first used, and that part is lost where there is none; `tempfile`
    keeps what it has once found, also when the disk is full later.
    """
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise ServingError(f"{error.strerror}; free some of the disk, or name a folder in TMPDIR.") from error


def _in_background() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return threading.current_thread() is not threading.main_thread()
    return True
