"""A survey of 2,048 channels and 1,000 classes: its numbers are right, and no view sends more than of a small one."""

import json

import numpy as np
import pytest

from attention.survey import LoadedSurvey, statistics
from benchmarks.survey_page import EACH, PARTS, SIDE, generated, opened
from tests.charts import numbers, sent_chart
from tests.test_page_survey import said, sound

CHANNELS, CLASSES = 2048, 1000
MOST = 5_000
"""Numbers that the charts of one view send."""


@pytest.fixture(scope="module")
def large() -> LoadedSurvey:
    return LoadedSurvey(generated(CHANNELS, CLASSES), "large")


@pytest.fixture(scope="module")
def smaller() -> LoadedSurvey:
    """Large enough that every view leaves something out."""
    return LoadedSurvey(generated(256, 50), "smaller")


def sent(app) -> int:
    """The numbers that the data of all charts of a page come to."""
    traces = [trace for chart in app.get("plotly_chart") for trace in json.loads(chart.proto.spec)["data"]]
    return sum(
        numbers(column).size
        for trace in traces
        for column in trace.values()
        if isinstance(column, list) or (isinstance(column, dict) and "bdata" in column)
    )


@pytest.mark.parametrize("part", PARTS)
def test_eight_times_the_channels_and_twenty_times_the_classes_send_no_more_numbers(large, smaller, part):
    whole = sound(opened(large, part))
    assert "**Large** over 3,000 pictures in 1,000 classes" in said(whole)
    assert 0 < sent(whole) <= sent(sound(opened(smaller, part))) <= MOST


def test_what_is_drawn_of_a_large_survey_are_its_numbers(large):
    gate = large.result.gates[1]
    line = [trace for trace in sent_chart(opened(large, PARTS[0]), "role")["data"] if trace["name"] == "class 2"][-1]
    channels = numbers(line["x"])
    assert (len(channels), channels.min()) == (50, 0) and channels.max() >= CHANNELS - 50
    np.testing.assert_allclose(numbers(line["y"]), gate.classes.mean[2, channels], rtol=1e-6)
    app = opened(large, "One channel")
    means = gate.classes.mean[:, app.number_input(key="unit").value]
    ends = np.concatenate([np.sort(means)[::-1][:12], np.sort(means)[::-1][-12:]])
    np.testing.assert_allclose(numbers(sent_chart(app, "channel_classes")["data"][0]["x"]), ends, rtol=1e-6)


def test_the_statistics_of_a_large_survey_are_those_of_a_loop(large):
    gate = large.result.gates[0]
    share, contrast = statistics.share_between(gate).index, statistics.class_selectivity(gate).index
    assert share.shape == contrast.shape == (CHANNELS,)
    for channel in (0, 1, 1000, CHANNELS - 1):
        means = gate.classes.mean[:, channel].tolist()
        centre = sum(means) / CLASSES
        between = sum(EACH * (mean - centre) ** 2 for mean in means)
        assert share[channel] == pytest.approx(between / (EACH * CLASSES * float(gate.overall.std[channel]) ** 2))
        others = (sum(means) - max(means)) / (CLASSES - 1)
        assert contrast[channel] == pytest.approx((max(means) - others) / (max(means) + others))
    assert share[::5].min() > 0.9 > share[1::5].max()  # every fifth channel was made to tell the classes apart
    assert statistics.mean_over_classes(large.result.gates[2]).shape == (SIDE, SIDE)
    assert statistics.gate_health(gate).dead == 0
