"""The lessons: one subject a page, one idea a step, with the numbers of the picture and the network that are chosen.

steps    how any lesson goes
gated    what the lessons of SE and CBAM share: a block, and the way on with it
se, cbam, grouped   what is taught
"""
