"""From the names and shapes in a weight file to the network that they belong to.

state dict -> families whose keys it has -> settings read off the shapes -> the network with exactly these keys
"""

from attention.recognition.families import FAMILIES
from attention.recognition.layouts_published import OWN
from attention.recognition.loading import load, recognise
from attention.recognition.records import Architecture, RecognitionError

__all__ = ["FAMILIES", "OWN", "Architecture", "RecognitionError", "load", "recognise"]
