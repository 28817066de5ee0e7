"""What a change of page, by the browser's Back and Forward too, would lose: its address, a choice, the new page."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_PAGE = "_page"


def has_gone_back() -> bool:
    """Whether this run is for an address that the browser's Back or Forward brought."""
    context = get_script_run_ctx()
    return bool(context and context.is_history_navigation)


def read_address() -> None:
    """Give the page the whole of an address that Back brought: Streamlit takes out of it, and out of what the browser
    shows, each key that the page before used too, such as a block or a lesson's step."""
    context = get_script_run_ctx()
    if context and context.is_history_navigation:
        with context.session_state.query_params() as asked:
            asked.populate_from_query_string(context.query_string)
            asked.set_initial_query_params_from_current()
            asked._send_query_param_msg()


def leave_page() -> None:
    """Let go of the fragments of the page before. Where one of them asks for a run while the new page is made,
    Streamlit would grant it afterwards as a run of the old page, and the browser would take the new one away."""
    context = get_script_run_ctx()
    if context and st.session_state.get(_PAGE) != context.page_script_hash:
        context.fragment_storage.clear()
        st.session_state[_PAGE] = context.page_script_hash


def was_chosen_elsewhere(key: str, usual: object) -> bool:
    """Whether the widget of this key has just come to another page with a choice that was not the usual one there."""
    context, at = get_script_run_ctx(), f"_{key}_at"
    page = context.page_script_hash if context else ""
    before, there = st.session_state.get(at, (page, usual))
    st.session_state[at] = (page, usual)
    return before != page and st.session_state.get(key, there) != there


def keep_in_address(key: str, chosen: str) -> None:
    """Put what is chosen into the address where it is not: Streamlit keeps in it what somebody chose by the widget, and
    forgets on the way to another page what a link chose, and all that the frame has where that page opens on another
    network."""
    context = get_script_run_ctx()
    if context and key not in st.query_params:
        with context.session_state.query_params() as asked:
            asked.set_corrected_value(key, chosen, "string_value")
