"""Files to take away: made when they are asked for, and held until the browser has come for them.

Streamlit lets go of such a file as soon as the pages of two other visitors have run, which may be before it is fetched.
"""

import secrets
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import streamlit as st
from streamlit import runtime
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import ScriptRunContext, add_script_run_ctx

HELD = 120.0
"""Seconds for which a file that was made waits for its browser."""


def offer(
    label: str,
    make: Callable[[], str | bytes],
    name: str,
    kind: str,
    *,
    key: str,
    place: DeltaGenerator | None = None,
    **look: Any,
) -> None:
    """A button that has a file of this name and MIME type made and takes it away; before, nothing is made."""
    button = (place or st).download_button
    button(label, lambda: _hold(make(), name, kind), name, kind, on_click="ignore", key=key, **look)


def _hold(content: str | bytes, name: str, kind: str) -> bytes:
    """The content as bytes, which the server keeps as if a visitor of its own showed them."""
    data = content.encode() if isinstance(content, str) else content
    files, nobody = runtime.get_instance().media_file_mgr, secrets.token_hex(16)
    options = {"file_name": name, "is_for_static_download": True}
    # The manager keeps a file for the session of the thread that adds it.
    adder = threading.Thread(target=files.add, args=(data, kind, "file"), kwargs=options)
    add_script_run_ctx(adder, cast(ScriptRunContext, SimpleNamespace(session_id=nobody)))
    adder.start()
    adder.join()
    release = threading.Timer(HELD, files.clear_session_refs, (nobody,))
    release.daemon = True
    release.start()
    return data
