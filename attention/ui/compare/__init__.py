"""The page that compares.

columns    several networks on one picture, a column each
tabs       what stands below the columns: gates against the heatmap, channel gates, cost
map_tests  whether a heatmap means anything: deletion and insertion, shuffled weights
pictures   one network on two pictures
"""
