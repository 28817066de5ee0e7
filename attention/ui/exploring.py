"""A block to explore on a page: the component that the browser runs, and the numbers it is given."""

from collections.abc import Callable

import streamlit as st

from attention.charts import explorable
from attention.charts.chart import Chart
from attention.ui import widgets

_WHOLE = "_explored_whole"
_COMPONENT = st.components.v2.component(
    "explorable",
    html=explorable.HTML,
    css=explorable.style(),
    js=f"""{explorable.script()}
export default ({{parentElement, data, setTriggerValue}}) =>
  explorable(parentElement, data, () => setTriggerValue("all", true));
""",
)


def explore(make: Callable[[bool], Chart | None], where: str) -> bool:
    """The chart that `make` gives, of some channels or, once they are asked for, of all, at `where`; whether it gives
    one."""

    def ask() -> None:
        st.session_state[_WHOLE] = where

    chart = make(st.session_state.get(_WHOLE) == where)
    if chart is None:
        return False
    widgets.show(chart, draw=lambda: _COMPONENT(key=chart.key, data=chart.figure, on_all_change=ask))
    return True
