"""The dashboard on a person's own network: started from Python or from the command line.

current  the one network that this process serves, and how arguments of the command line name it
server   the dashboard, started from Python
guard    what stands around Streamlit's own server: who is let in, links kept, files beside it
"""

from attention.serving.current import (
    APP,
    CODE_OPTIONS,
    OPTIONS,
    Served,
    ServingError,
    allow,
    click_callback,
    current_network,
    folders,
    names_network,
    network_of,
    set_network,
)
from attention.serving.server import serve, show
