"""Numbers out of arrays, by numpy alone: what is said of gates, predictions and maps.

gates         gates in blocks, in simpler views, and in numbers
order         which of a block's two gates is applied first
usual         a gate against the same gate for other pictures
predictions   logits and probabilities out of what a network returns
health        whether a gate does anything: saturated, dead, constant
agreement     how far two maps agree
faithfulness  whether a map names the pixels that count
excitation    what SE costs by its reduction ratio, and its paper's tables
"""

from attention.analysis.excitation import PUBLISHED_RATIOS, excitation_parameters
from attention.analysis.gates import (
    NINTHS,
    Block,
    averaged_gate,
    block_called,
    blocks,
    branch_count,
    by_openness,
    by_strength,
    can_saturate,
    channel_stats,
    channel_view,
    deals_out,
    features,
    five_numbers,
    gate_titles,
    gates_not_finite,
    map_stats,
    most_open_ninth,
    most_varied,
    neutral_value,
    profiles,
    short_names,
    spatial_view,
    titles,
)
from attention.analysis.health import hardly_varies, in_unit, saturates, share_high, share_low, share_saturated
from attention.analysis.order import Order, Relation, order_of
from attention.analysis.predictions import TOP_CLASSES, probabilities, top
