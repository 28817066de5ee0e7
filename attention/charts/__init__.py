"""Records -> plotly figures and pictures: figures are values, their makers never show them."""
