"""The three steps of a channel gate with this picture's numbers: squeeze, excite, reweight."""

import streamlit as st

from attention import analysis
from attention.charts import channels
from attention.records import ChannelSteps, Floats
from attention.report import by_place
from attention.ui import parts
from attention.ui.excitation import Focus

MEANING = {"average": "mean", "max": "maximum"}
SYMBOL = {"average": r"z^\mathrm{avg}", "max": r"z^\mathrm{max}"}
SQUASH = {"sigmoid": ("sigmoid σ", r"\sigma"), "hardsigmoid": ("hard sigmoid", r"\mathrm{hardsigmoid}")}
"""What turns a sum into a gate, in words and in an equation."""
MAPS = 4


def draw(focus: Focus) -> None:
    """Each step with one or two sentences, its figure, and its equation for the chosen channel."""
    steps = focus.steps
    if steps is None:
        st.info("This gate has another form than SE's and CBAM's, so its steps cannot be shown.")
        return
    _draw_squeeze(focus, steps)
    _draw_excite(focus, steps)
    _draw_reweight(focus, steps)
    if len(steps.squeezed) > 1:
        st.markdown("CBAM sums two branches here. How each of them arrives at the gate is on its own page:")
        st.page_link(
            "pages/cbam.py",
            label="CBAM's two branches",
            icon=":material/visibility:",
            query_params=st.query_params.to_dict(),
        )


def _draw_squeeze(focus: Focus, steps: ChannelSteps) -> None:
    height, width = steps.before.shape[2:]
    st.subheader("1. Squeeze", anchor=False)
    names = " and its ".join(MEANING[branch] for branch in steps.squeezed)
    st.markdown(f"Each channel's map of {height} × {width} values becomes its {names}: what it found, and not where.")
    for branch, squeezed in steps.squeezed.items():
        z = squeezed[0]
        finding = f"The {MEANING[branch]} of {len(z)} channels, from {z.min():.3f} to {z.max():.3f}."
        figure = channels.vector(z, focus.channel, MEANING[branch])
        parts.chart(figure, key=f"squeeze_{branch}", alt=finding, table="squeeze")
        st.latex(_pooled(branch, focus.channel, (height, width)) + f" = {z[focus.channel]:.3f}")
    columns = {MEANING[branch]: squeezed[0] for branch, squeezed in steps.squeezed.items()}
    parts.data(squeeze={"channel": range(len(focus.values)), **columns})


def _draw_excite(focus: Focus, steps: ChannelSteps) -> None:
    c, values = focus.channel, focus.values
    hidden = next(iter(steps.hidden.values())).shape[1]
    squash = SQUASH.get(focus.gate.activation, (focus.gate.activation, rf"\mathrm{{{focus.gate.activation}}}"))
    st.subheader("2. Excite", anchor=False)
    st.markdown(
        f"Two small layers look at all {len(values)} numbers at once: {len(values)} → {hidden} hidden units → "
        f"{len(values)}. The {squash[0]} turns each result into a gate between 0 and 1. (The equation leaves biases "
        "out, as the papers do.)"
    )
    for branch, units in steps.hidden.items():
        active = int((units > 0).sum())
        finding = f"{active} of {hidden} hidden units answer to the {MEANING[branch]}; the others are 0 after the ReLU."
        figure = channels.vector(units[0], -1, "hidden unit")
        parts.chart(figure, key=f"hidden_{branch}", alt=finding, table="hidden")
        st.caption(finding)
    columns = {f"from the {MEANING[branch]}": units[0] for branch, units in steps.hidden.items()}
    parts.data(hidden={"hidden unit": range(hidden), **columns})
    sums = [float(branch[0, c]) for branch in steps.branches.values()]
    inside = f"{sums[0]:.3f}" + "".join(f"{value:+.3f}" for value in sums[1:])
    symbols = ["z"] if len(sums) == 1 else [SYMBOL[branch] for branch in steps.squeezed]
    inputs = " + ".join(rf"W_2\,\mathrm{{relu}}(W_1 {symbol})" for symbol in symbols)
    st.latex(rf"s_{{{c}}} = {squash[1]}\left({inputs}\right)_{{{c}}} = {squash[1]}({inside}) = {values[c]:.3f}")


def _draw_reweight(focus: Focus, steps: ChannelSteps) -> None:
    c, order = focus.channel, analysis.by_strength(focus.values)
    maps: dict[str, Floats] = {}
    st.subheader("3. Reweight", anchor=False)
    st.markdown(
        "Each channel's map is multiplied by its gate. Left of each pair before, right after, on one scale that is "
        "the pair's own, dark low, bright high."
    )
    for title, some in (("Most open", order[:MAPS]), ("Most closed", order[::-1][:MAPS])):
        st.markdown(f"**{title}**")
        for rank, (place, channel) in enumerate(zip(st.columns(MAPS), map(int, some), strict=False)):
            before, after = steps.before[0, channel], steps.after[0, channel]
            maps |= {f"channel {channel} before": before, f"channel {channel} after": after}
            with place:
                parts.picture(
                    channels.before_after(before, after),
                    key=f"{title} {rank}",
                    alt=f"Channel {channel} of {focus.name} before and after its gate.",
                    caption=f"Channel {channel} × {focus.values[channel]:.3f}: {_range(before)} → {_range(after)}",
                    table="reweight",
                )
    parts.data(reweight=by_place(maps))
    largest = float(steps.before[0, c].max())
    st.latex(
        rf"x_{{{c}}} = s_{{{c}}} u_{{{c}}} = {focus.values[c]:.3f} \cdot u_{{{c}}}, "
        rf"\qquad \max u_{{{c}}} = {largest:.2f} \to \max x_{{{c}}} = {float(steps.after[0, c].max()):.2f}"
    )


def _pooled(branch: str, channel: int, size: tuple[int, int]) -> str:
    height, width = size
    if branch == "max":
        return rf"z_{{{channel}}} = \max_{{i,j}} u_{{{channel}}}(i, j)"
    return rf"z_{{{channel}}} = \frac{{1}}{{{height} \cdot {width}}} \sum_{{i,j}} u_{{{channel}}}(i, j)"


def _range(values: Floats) -> str:
    return f"{values.min():.2f} … {values.max():.2f}"
