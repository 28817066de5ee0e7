"""The page of the surveys: where a survey comes from, what of it is looked at, and its views."""
