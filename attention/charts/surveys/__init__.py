"""What a survey found, as plotly figures: pure functions of arrays."""
