"""What the address of a page may ask for."""

EVERYWHERE = {"network", "weights", "picture", "block"}
OVERVIEW = {"cards"}
EXCITATION = {"order", "channel", "part", "second"}
CBAM = {"opacity", "colours", "scale", "tab", "shown", "unit"}
GROUPED = {"section", "c1", "c2", "h1", "w1", "h", "w", "g", "bias", "light", "layers", "shuffle"}
MODELS = {"fold", "depth", "find"}
KEYS = frozenset(EVERYWHERE | OVERVIEW | EXCITATION | CBAM | GROUPED | MODELS)
"""The keys of all widgets that are bound to the address, and of what a page writes there itself."""
