"""A person's own network on the dashboard: code that whoever starts the server names, or a module in memory.

factories  `package.module:factory` -> a module
network    a module and what it does not say of itself -> a network for the pages
current    the one network that this process serves
options    the same in arguments of the command line
server     the dashboard, started from Python
"""

from attention.serving.current import APP, Served, allow, folders, put, served
from attention.serving.factories import failure
from attention.serving.network import LARGEST, Settings
from attention.serving.options import OPTIONS, network_of
from attention.serving.records import ServingError
from attention.serving.server import serve, show

__all__ = [
    "APP",
    "LARGEST",
    "OPTIONS",
    "Served",
    "ServingError",
    "Settings",
    "allow",
    "failure",
    "folders",
    "network_of",
    "put",
    "serve",
    "served",
    "show",
]
