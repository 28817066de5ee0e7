"""Gates edited by hand: what is asked of them, what that does, and what chance would do.

edits     the records: an action, and the gates that it is for
applying  records -> the functions that `capture.trace(..., edits=...)` takes
controls  the same edits at random places
passes    edited passes, many in a batch; each block switched off
modules   networks with edits as torch modules; it loads torch, and is opened by name
files     edits as JSON, and as a short code for a link

The others need no torch before a pass is run.
"""

from attention.interventions.applying import Given, applied, neutral
from attention.interventions.controls import DRAWS, NullRange, null_range, random_control
from attention.interventions.edits import (
    ANY,
    NEEDS,
    Action,
    Edit,
    EditError,
    format_ranges,
    parse_ranges,
    targets,
    unnamed,
)
from attention.interventions.files import EditFile, load_edits
from attention.interventions.passes import BlockAblation, EditedPasses, ablate_block, changes, logits, passes_of

__all__ = [
    "ANY",
    "DRAWS",
    "NEEDS",
    "Action",
    "BlockAblation",
    "Edit",
    "EditError",
    "EditFile",
    "EditedPasses",
    "Given",
    "NullRange",
    "ablate_block",
    "applied",
    "changes",
    "format_ranges",
    "load_edits",
    "logits",
    "neutral",
    "null_range",
    "parse_ranges",
    "passes_of",
    "random_control",
    "targets",
    "unnamed",
]
