"""Every gate over a folder of pictures: mergeable statistics, two engines, one file.

folder      what pictures there are, and of which class
partials    the statistics of a part of them, and how parts merge
passes      one batch -> Partial
local       the engine on this machine; on_ray: the one on a cluster
checkpoint  an unfinished survey in a file
running     `run`: all of it, from the first batch to the result
result      what was found, as records
files       the result as a Parquet file
uploads     the same of a person who may be hostile
provenance  what it rests on
statistics  selectivity, health, entropy
profiles    what the pages say besides
gathered    pictures that came as bytes
found       pictures of a result, in a folder
background  `run` in a thread that can be followed
"""

from attention.survey import profiles, statistics
from attention.survey.background import Background
from attention.survey.errors import CancelledError, SurveyError
from attention.survey.files import read, write
from attention.survey.folder import Pictures, pictures
from attention.survey.found import Found, found
from attention.survey.gathered import called, gathered
from attention.survey.result import Exemplars, GateSurvey, Result, Summary
from attention.survey.running import Progress, Settings, run
from attention.survey.uploads import received

__all__ = [
    "Background",
    "CancelledError",
    "Exemplars",
    "Found",
    "GateSurvey",
    "Pictures",
    "Progress",
    "Result",
    "Settings",
    "Summary",
    "SurveyError",
    "called",
    "found",
    "gathered",
    "pictures",
    "profiles",
    "read",
    "received",
    "run",
    "statistics",
    "write",
]
