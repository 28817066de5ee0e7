"""All families, in the order in which they are tried: the first whose network has exactly the keys is taken."""

from attention.recognition import layouts_published, layouts_pytorchcv, layouts_timm, layouts_torchvision

KNOWN = (
    *layouts_published.FAMILIES,
    *layouts_torchvision.FAMILIES,
    *layouts_timm.FAMILIES,
    *layouts_pytorchcv.FAMILIES,
)
FAMILIES = tuple(family.name for family in KNOWN)
"""The names of all families, for whoever knows better than the keys."""
