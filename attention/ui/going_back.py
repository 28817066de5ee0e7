"""The browser's Back and Forward: the address says all, as on a first visit."""

from streamlit.runtime.scriptrunner import get_script_run_ctx


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
