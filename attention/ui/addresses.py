"""What the address of a page may ask for."""

EVERYWHERE = {"network", "weights", "picture", "block"}
OVERVIEW = {"cards"}
EXCITATION = {"order", "channel", "part", "second"}
CBAM = {"opacity", "colours", "scale", "tab", "shown", "unit"}
COMPARE = {"about", "class", "method", "stage", "heat", "side", "random", "other", "gate", "down", "beside"}
PAIRS = {"second_kind", "change", "patch_x", "patch_y", "patch_side", "by_crop", "by_blur", "by_noise", "by_brightness"}
GROUPED = {"section", "c1", "c2", "h1", "w1", "h", "w", "g", "bias", "light", "layers", "shuffle"}
MODELS = {"fold", "depth", "find"}
KEYS = frozenset(EVERYWHERE | OVERVIEW | EXCITATION | CBAM | COMPARE | PAIRS | GROUPED | MODELS)
"""The keys of all widgets that are bound to the address, and of what a page writes there itself."""
