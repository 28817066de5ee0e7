"""The pictures to choose from, as thumbnails: rows of pills, which the page's style draws as pictures."""

import base64
from collections.abc import Iterator, Mapping
from functools import cache

import streamlit as st
from PIL import Image

from attention import images
from attention.charts import overlay
from attention.observe import Picture
from attention.ui.cache import samples
from attention.ui.widgets import choose, literal

KEY = "picture"
"""The widget's, and the sample's in the address."""
OWN_KEY = "own"
WIDTH, HEIGHT = 52, 39
"""How large a thumbnail is on the page, in pixels; four stand side by side in the sidebar."""


def choose_sample() -> str:
    """The title of the sample that was chosen, the first one at the start."""
    st.html(_style())
    with st.container(key="gallery", height=3 * HEIGHT + 34, border=False):
        return choose("Sample", list(samples()), key=KEY, look="pills")


def describe(title: str) -> str:
    """Whose a sample is, what is right to say of it, and where the network of 1,000 classes says something else."""
    sample = samples()[title]
    right = "No class of ImageNet is right for it: whatever a network of these 1,000 classes says is wrong."
    if sample.shows:
        other = "" if sample.named else ", but EfficientNet-B0 first says something else"
        right = f"Of ImageNet's classes it is {' or '.join(map(literal, sample.shows))}{other}."
    return f"{literal(sample.credit)} {right}"


def choose_own(own: Mapping[str, Picture]) -> str:
    """The name of the picture of one's own that was chosen, of several."""
    rules = [*_pill_rules(OWN_KEY), *_backgrounds(own), ".st-key-own_gallery { padding: 4px; }"]
    st.html(f"<style>{' '.join(rules)}</style>")
    with st.container(key="own_gallery"):
        return choose("Of your pictures", list(own), key=OWN_KEY, look="pills", names=literal, linked=False)


def _backgrounds(own: Mapping[str, Picture]) -> Iterator[str]:
    for number, picture in enumerate(own.values(), start=1):
        yield (
            f".st-key-{OWN_KEY} button:nth-of-type({number}) {{ background-size: cover; background-position: center;"
            f" background-image: url({_thumbnail(picture.key, picture.image)}); }}"
        )


@st.cache_data(max_entries=256, show_spinner=False)
def _thumbnail(key: str, _image: Image.Image) -> str:
    small = _image.convert("RGB")
    small.thumbnail((2 * WIDTH, 2 * WIDTH))
    return overlay.data_uri(overlay.jpeg(small))


def _pill_rules(key: str) -> list[str]:
    """What all pills of a gallery have; a picture's title is seen under the pointer or focus."""
    pill = f".st-key-{key} button"
    return [
        f"{pill} {{ width: {WIDTH}px; height: {HEIGHT}px; min-height: 0; padding: 0; border-radius: 4px; border: 0;"
        " position: relative; overflow: hidden; }",
        f"{pill} p {{ position: absolute; inset: auto 0 0 0; font-size: 9px; line-height: 11px; opacity: 0;"
        " white-space: normal; color: white; background: rgba(0, 0, 0, 0.75); }",
        f"{pill}:is(:hover, :focus-visible) p {{ opacity: 1; }}",
        f"{pill}[aria-checked=true] {{ outline: 3px solid currentColor !important; outline-offset: 1px; }}",
    ]


@cache
def _style() -> str:
    """One picture of all samples behind every pill, moved to its own; its title is seen under the pointer or focus."""
    sheet = base64.b64encode(images.thumbnails()).decode()
    count, across = len(samples()), images.ACROSS
    pill = f".st-key-{KEY} button"
    rules = [
        *_pill_rules(KEY),
        f"{pill} {{ background-image: url(data:image/webp;base64,{sheet});"
        f" background-size: {across * WIDTH}px auto; }}",
        ".st-key-gallery { padding: 4px; }",
    ]
    for number in range(count):
        left, above = number % across * WIDTH, number // across * HEIGHT
        rules.append(f"{pill}:nth-of-type({number + 1}) {{ background-position: -{left}px -{above}px; }}")
    return f"<style>{' '.join(rules)}</style>"
