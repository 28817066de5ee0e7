"""The page on which gates are edited by hand.

session      what is edited, and where: the edits that stand, undo and redo, the link
passes       edited passes, kept by content
controls     where to edit, and what to do there; all edits: names, export, import
gate_editor  the chosen gate, before and after, to click and to paint, and what the class depends on
effects      what the edits change, beside what chance does; the effects over many pictures
depth        each block switched off in turn
"""
