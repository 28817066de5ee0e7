"""What is said of gates that are neither channel gates nor spatial gates, on the pages made for those."""

import streamlit as st

from attention import analysis
from attention.kinds import KINDS
from attention.numbers import fixed
from attention.observe import Observation
from attention.records import Gate


def in_unit(gate: Gate) -> bool:
    """Whether all of a gate lies on the scale of its colours, 0 to 1."""
    return gate.minimum >= 0 and gate.maximum <= 1


def say_notes(observation: Observation, shown: Gate) -> None:
    """Said where a gate is shown as one of a simpler kind, and where it leaves the scale from 0 to 1."""
    gate = next(gate for gate in observation.trace.gates if gate.name == shown.name)
    if gate.kind != shown.kind:
        st.info(
            f"This gate has a number for {KINDS[gate.kind].number_for}. Shown is the average: a number for "
            f"{KINDS[shown.kind].number_for}.",
            icon=":material/info:",
        )
    if (branches := analysis.branches(gate)) > 1:
        st.info(
            f"This gate weighs {branches} branches of {gate.feature_shape[2]} channels against each other. They stand "
            "one after the other, and the numbers of a channel add up to 1 over them.",
            icon=":material/info:",
        )
    if not in_unit(gate):
        st.info(
            f"This gate runs from {fixed(gate.minimum)} to {fixed(gate.maximum)}. Colours are those of 0 to 1: what "
            "lies outside has the colour of the nearer end.",
            icon=":material/info:",
        )
