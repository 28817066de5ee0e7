"""The dashboard on a person's own network: started from Python or from the command line.

options  the network in arguments of the command line
current  the one network that this process serves
server   the dashboard, started from Python
guard    who is let in
"""

from attention.serving.current import APP, Served, allow, folders, put, served
from attention.serving.options import OPTIONS, OWN, ServingError, names_network, network_of
from attention.serving.server import serve, show

__all__ = [
    "APP",
    "OPTIONS",
    "OWN",
    "Served",
    "ServingError",
    "allow",
    "folders",
    "names_network",
    "network_of",
    "put",
    "serve",
    "served",
    "show",
]
