"""Gates edited by hand: what is asked of them, what that does, and what chance would do.

edits     the records: an action, and the gates that it is for
applying  records -> the functions that `capture.trace(..., edits=...)` takes
controls  what edits would do if it did not matter which value stands where
passes    edited passes, many in a batch
modules   networks with edits as torch modules; it loads torch, and is opened by name
files     edits as JSON, and as a short code for a link

The others need no torch before a pass is run.
"""

from attention.analysis import neutral
from attention.interventions.applying import Given, applied
from attention.interventions.controls import null_changes, random_control
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
from attention.interventions.passes import EditedPasses, Effect, changes, effect, passes_of

__all__ = [
    "ANY",
    "NEEDS",
    "Action",
    "Edit",
    "EditError",
    "EditFile",
    "EditedPasses",
    "Effect",
    "Given",
    "applied",
    "changes",
    "effect",
    "format_ranges",
    "load_edits",
    "neutral",
    "null_changes",
    "parse_ranges",
    "passes_of",
    "random_control",
    "targets",
    "unnamed",
]
