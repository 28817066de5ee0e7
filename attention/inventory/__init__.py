"""What stands in a network: its layers with what each costs, and its attention blocks with the gates found in them.

known  the attention blocks that the zoos and the published codes have, by class name; no torch
tree   the layers as a tree: convolutions, attention blocks, and what holds them; the blocks against the gates of a pass
rows   the tree as rows of a table, alike blocks folded into one; no torch

What needs torch is opened by name: `from attention.inventory.tree import inventory`.
"""

from attention.inventory.rows import COUNTS, Row, every, folded

__all__ = ["COUNTS", "Row", "every", "folded"]
