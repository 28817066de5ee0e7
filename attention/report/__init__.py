"""What a person takes away: one HTML file that asks nothing of anybody, with figures that still answer.

document    what a report holds, what its numbers rest on, and the HTML of it
observation the report of a network on a picture
surveys     the report of a survey
"""

from attention.report.document import Document, Section, Table, html
from attention.report.observation import report_of
from attention.report.surveys import survey_report
