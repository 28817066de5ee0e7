"""Gates turned by hand: what is asked of them, what that does, and what chance would do.

edits      the records: an action, and the gates that it is for
applying   records -> the functions that `capture.trace(..., edits=...)` takes
chance     the same edits at random places
ranges     places of a gate as a person writes them
running    edited passes, many in a batch
resuming   passes that begin at the edited part
edited     the network with the edits, as a module; it and resuming load torch, and are opened by name
depth      each block switched off in turn
files      edits as JSON, and as a short code for a link

The others need no torch before a pass is run.
"""

from attention.interventions import ranges
from attention.interventions.applying import Given, applied, neutral
from attention.interventions.chance import DRAWS, Band, band, drawn
from attention.interventions.depth import Turn, turn
from attention.interventions.edits import ANY, NEEDS, Action, Edit, EditError, targets, unnamed
from attention.interventions.files import Sheet, load_edits
from attention.interventions.running import Subject, changes, logits

__all__ = [
    "ANY",
    "DRAWS",
    "NEEDS",
    "Action",
    "Band",
    "Edit",
    "EditError",
    "Given",
    "Sheet",
    "Subject",
    "Turn",
    "applied",
    "band",
    "changes",
    "drawn",
    "load_edits",
    "logits",
    "neutral",
    "ranges",
    "targets",
    "turn",
    "unnamed",
]
