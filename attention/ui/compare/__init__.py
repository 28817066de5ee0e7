"""The page that compares.

columns   several networks on one picture, a column each
tabs      what stands below the columns: gates against the heatmap, channel gates, cost, and whether a heatmap means
          anything
pictures  one network on two pictures
"""
