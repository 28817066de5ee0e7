"""What stands in a network: its layers with what each costs, and its attention blocks with the gates found in them.

known      the attention blocks that the zoos and the published codes have, by class name; no torch
measuring  multiply-accumulates and output shape of every module, from one pass that computes nothing
tree       the layers as a tree: convolutions, attention blocks, and what holds them
rows       the tree as rows of a table, alike blocks folded into one; no torch
report     the known attention blocks against the gates that a pass found

The rooms that need torch are opened by name: `from attention.inventory.measuring import measure`.
"""

from attention.inventory.rows import COUNTS, Row, every, folded

__all__ = ["COUNTS", "Row", "every", "folded"]
