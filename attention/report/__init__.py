"""What a person takes away: one HTML file that asks nothing of anybody, with figures that still answer.

document    what a report holds, and the HTML of it
tables      columns of numbers as CSV, and as a person reads them
observation the report of a network on a picture
surveys     the report of a survey
provenance  what the numbers rest on
"""

from attention.report.document import Chart, Document, Item, Picture, Section, Table, html
from attention.report.observation import report_of
from attention.report.surveys import surveyed
from attention.report.tables import Columns, as_csv, by_map, by_place

__all__ = [
    "Chart",
    "Columns",
    "Document",
    "Item",
    "Picture",
    "Section",
    "Table",
    "as_csv",
    "by_map",
    "by_place",
    "html",
    "report_of",
    "surveyed",
]
