"""What all pages share: the frame, the cache, and what a page is put together from."""

from attention.ui.frame import draw_frame, navigation, open_page
from attention.ui.pages import PAGES
from attention.ui.presenting import slots
from attention.ui.widgets import choose, errors, no_gates, say, tabs
