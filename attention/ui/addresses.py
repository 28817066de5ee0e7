"""What the address of a page may ask for."""

EVERYWHERE = {"network", "weights", "picture", "block"}
OVERVIEW = {"cards"}
EXCITATION = {"order", "channel", "part", "second"}
CBAM = {"opacity", "colours", "scale", "tab", "shown", "unit"}
COMPARE = {"about", "class", "method", "heat", "second_kind", "change", "side"}
COMPARE |= {"patch_x", "patch_y", "patch_wide", "patch_high", "by_crop", "by_blur", "by_noise", "by_brightness"}
COMPARE |= {"other", "beside", "random", "down", "gate", "layer1", "layer2", "layer3", "layer4"}
INTERVENE = {"class", "seed", "reach", "section", "edits", "kind"}
GROUPED = {"section", "c1", "c2", "h1", "w1", "h", "w", "g", "bias", "light", "layers", "shuffle"}
SURVEY = {"unit", "classes", "index", "band", "sampled", "scale", "part"}
MODELS = {"fold", "depth", "find"}
TABS = {"part", "section", "tab", "about"}
"""By which an address names a part of a page."""
KEYS = frozenset(EVERYWHERE | OVERVIEW | EXCITATION | CBAM | COMPARE | INTERVENE | GROUPED | SURVEY | MODELS)
"""The keys of all widgets that are bound to the address, and of what a page writes there itself."""
