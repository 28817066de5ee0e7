"""What a person takes away: one HTML file that asks nothing of anybody, with figures that still answer.

document    what a report holds, and the HTML of it
observation the report of a network on a picture
surveys     the report of a survey
provenance  what the numbers rest on
"""

from attention.report.document import Document, Section, Table, html
from attention.report.observation import report_of
from attention.report.surveys import surveyed
