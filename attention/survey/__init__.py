"""Every gate over a folder of pictures: mergeable statistics, two engines, one file.

result      what a survey comes to, as records
pictures    what pictures there are, and of which class
partials    the statistics of a part of them, and how parts merge
passes      one batch -> Partial; and what the numbers rest on
running     `run`: from the first batch, or from where it was left, to the result; here, or on a cluster
files       the result as a file; checks: that of a person who may be hostile
statistics  selectivity, health, correct against wrong
loaded      a result with all that is said of it
"""

from attention.survey import statistics
from attention.survey.files import read, read_upload, write
from attention.survey.loaded import LoadedSurvey
from attention.survey.pictures import LocatedPictures, PictureList, list_pictures, locate_pictures, uploaded_pictures
from attention.survey.result import CancelledError, GateSurvey, Result, Summary, SurveyError, with_root
from attention.survey.running import Progress, Settings, run
