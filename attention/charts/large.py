"""A figure for a screen that is read from the back row."""

import plotly.graph_objects as go

FACTOR = 1.4
MARGIN = 1.7
"""More than the text in it, which stands further from its axis the larger it is."""
_SIZE = 14


def large(figure: go.Figure) -> go.Figure:
    """The figure itself, with all of its text and its height larger."""
    layout = figure.layout
    layout.update(font_size=FACTOR * (layout.font.size or _SIZE), height=layout.height and round(1.2 * layout.height))
    layout.update(margin={side: MARGIN * (layout.margin[side] or 0) for side in "lrtb"})
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.update(tickfont_size=FACTOR * (axis.tickfont.size or _SIZE))
        axis.update(title_font_size=FACTOR * (axis.title.font.size or _SIZE))
    for note in figure.select_annotations():
        note.update(font_size=FACTOR * (note.font.size or _SIZE), yshift=note.yshift and FACTOR * note.yshift)
    if layout.legend.font.size:
        layout.legend.font.size *= FACTOR
    return figure
