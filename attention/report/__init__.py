"""What a person takes away: one HTML file that asks nothing of anybody, with figures that still answer.

document    what a report holds, and the HTML of it
tables      columns of numbers as CSV, and as a person reads them
passes      the report of one forward pass
surveys     the report of a survey
provenance  what the numbers rest on
command     the same on the command line
"""

from attention.report.document import Chart, Document, Item, Picture, Section, Table, html
from attention.report.passes import Pass, passed
from attention.report.surveys import surveyed
from attention.report.tables import Columns, as_csv, by_map, by_place

__all__ = [
    "Chart",
    "Columns",
    "Document",
    "Item",
    "Pass",
    "Picture",
    "Section",
    "Table",
    "as_csv",
    "by_map",
    "by_place",
    "html",
    "passed",
    "surveyed",
]
