"""The sample pictures to choose from, as thumbnails: a row of pills, which the page's style draws as pictures."""

import base64
from functools import cache

import streamlit as st

from attention import images
from attention.ui.cache import samples
from attention.ui.widgets import choose, literal

KEY = "picture"
"""The widget's, and the sample's in the address."""
WIDTH, HEIGHT = 52, 39
"""How large a thumbnail is on the page, in pixels; four stand side by side in the sidebar."""


def choose_sample() -> str:
    """The title of the sample that was chosen, the first one at the start."""
    st.html(_style())
    with st.container(key="gallery", height=3 * HEIGHT + 34, border=False):
        return choose("Sample", list(samples()), key=KEY, look="pills")


def describe(title: str) -> str:
    """What is right to say of a sample, and whether the network of a thousand classes says so."""
    shows, named = samples()[title].shows, samples()[title].named
    if not shows:
        return "No class of ImageNet is right for it: whatever a network of these 1,000 classes says is wrong."
    right = " or ".join(map(literal, shows))
    ending = "and EfficientNet-B0 says so" if named else "but EfficientNet-B0 first says something else"
    return f"Of ImageNet's classes it is {right}, {ending}."


@cache
def _style() -> str:
    """One picture of all samples behind every pill, moved to its own; its title is seen under the pointer or focus."""
    sheet = base64.b64encode(images.thumbnails()).decode()
    count, across = len(samples()), images.ACROSS
    pill = ".st-key-picture button"
    rules = [
        f"{pill} {{ width: {WIDTH}px; height: {HEIGHT}px; min-height: 0; padding: 0; border-radius: 4px;"
        f" background-image: url(data:image/webp;base64,{sheet}); background-size: {across * WIDTH}px auto;"
        " border: 0; }",
        f"{pill} {{ position: relative; overflow: hidden; }}",
        f"{pill} p {{ position: absolute; inset: auto 0 0 0; font-size: 9px; line-height: 11px; opacity: 0;"
        " white-space: normal; color: white; background: rgba(0, 0, 0, 0.75); }",
        f"{pill}:is(:hover, :focus-visible) p {{ opacity: 1; }}",
        f"{pill}[aria-checked=true] {{ outline: 3px solid var(--st-primary-color); outline-offset: 1px; }}",
        ".st-key-gallery { padding: 4px; }",
    ]
    for number in range(count):
        left, above = number % across * WIDTH, number // across * HEIGHT
        rules.append(f"{pill}:nth-of-type({number + 1}) {{ background-position: -{left}px -{above}px; }}")
    return f"<style>{' '.join(rules)}</style>"
