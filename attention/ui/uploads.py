"""Files of visitors: taken where they are small enough, and let go of where they are not, or are no longer needed."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from attention.foreign import literal


def files(
    label: str, kinds: Sequence[str] | None, most: int, *, key: str, several: bool = False, **settings: Any
) -> list[UploadedFile]:
    """The files in an uploader that takes `most` MiB each; what a browser sends beyond that is let go of, and said."""
    uploaded = st.file_uploader(label, kinds, accept_multiple_files=several, key=key, max_upload_size=most, **settings)
    accepted = []
    for file in uploaded if isinstance(uploaded, list) else [uploaded] if uploaded else []:
        if file.size <= most * 2**20:  # the uploader's own limit is kept by the browser alone
            accepted.append(file)
        else:
            let_go(file)
            st.error(f"{literal(file.name)} has {file.size / 2**20:,.0f} MiB; {most} are allowed.")
    return accepted


def let_go(file: UploadedFile) -> None:
    """The server forgets a file's bytes now, and not when the visitor leaves."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
