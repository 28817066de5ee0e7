"""The dashboard on a person's own network: started from Python or from the command line.

options  the network in arguments of the command line
current  the one network that this process serves
server   the dashboard, started from Python
guard    what stands around Streamlit's own server: who is let in, links kept, files beside it
"""

from attention.serving.current import APP, Served, allow, folders, put, served
from attention.serving.options import OPTIONS, OWN, ServingError, names_network, network_of, read_by
from attention.serving.server import serve, show
