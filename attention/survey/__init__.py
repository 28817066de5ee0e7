"""Every gate over a folder of pictures: mergeable statistics, two engines, one file.

folder      what pictures there are, and of which class
partials    the statistics of a part of them, and how parts merge
passes      one batch -> Partial
local       the engine on this machine; on_ray: the one on a cluster
checkpoint  an unfinished survey in a file
running     `run`: all of it, from the first batch to the result
result      what was found, as records
files       the result as a Parquet file
provenance  what it rests on
statistics  selectivity, health, entropy
"""

from attention.survey import statistics
from attention.survey.errors import CancelledError, SurveyError
from attention.survey.files import read
from attention.survey.folder import Pictures, pictures
from attention.survey.result import Exemplars, GateSurvey, Result, Summary
from attention.survey.running import Progress, Settings, run

__all__ = [
    "CancelledError",
    "Exemplars",
    "GateSurvey",
    "Pictures",
    "Progress",
    "Result",
    "Settings",
    "Summary",
    "SurveyError",
    "pictures",
    "read",
    "run",
    "statistics",
]
