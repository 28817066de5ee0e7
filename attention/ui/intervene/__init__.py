"""The page on which gates are turned by hand.

bench      what is edited, and where: the edits that stand, undo and redo, the link
passes     edited passes, kept by content
controls   where to edit, and what to do there
turning    the chosen gate, before and after, to click and to paint
answer     what the edits change, beside what chance does
heatmaps   what the class depends on, before and after
depth      each block switched off in turn
sheet      all edits: names, export, import
"""
