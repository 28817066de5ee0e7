"""Gates edited by hand: what is asked of them, what that does, and what chance would do.

edits     the records: an action, and the gates that it is for
applying  records -> the functions that `capture.trace(..., edits=...)` takes; those of random controls
passes    edited passes, many in a batch
modules   networks with edits as torch modules; it loads torch, and is opened by name
files     edits as JSON, and as a short code for a link

The others need no torch before a pass is run.
"""

from attention.interventions.applying import Given, applied, chooses_values, null_changes, random_control
from attention.interventions.edits import (
    ANY,
    NEEDS,
    OFF,
    WITHOUT,
    Action,
    Edit,
    EditError,
    block_off,
    format_ranges,
    off_in_words,
    parse_ranges,
    targets,
    without_names,
)
from attention.interventions.files import EditFile, load_edits
from attention.interventions.passes import EditedPasses, Effect, changes, effect, mean_gates, passes_of
