"""What all pages share: the frame, the cache, and the parts that a page is put together from."""

from attention.observe import Observation
from attention.ui.frame import PAGES, draw_frame, open_page
from attention.ui.parts import chart, code, data, depth_strip, errors, no_gates, note_link, picture, tabs
from attention.ui.presenting import places
from attention.ui.takeaway import offer_report

__all__ = [
    "PAGES",
    "Observation",
    "chart",
    "code",
    "data",
    "depth_strip",
    "draw_frame",
    "errors",
    "no_gates",
    "note_link",
    "offer_report",
    "open_page",
    "picture",
    "places",
    "tabs",
]
