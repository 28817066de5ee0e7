"""A block to explore is given the trace's own numbers: slow sums over them give what the pass gave."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from attention import images, report
from attention.charts import explorable
from attention.charts.colours import CHANGE, CHANNEL_GATE, FEATURES, SPATIAL_GATE
from attention.grouped.experiments import convolution_at
from attention.models import zoo
from attention.observe import observe as look
from attention.observe import read_picture
from tests import documents
from tests.charts import check_colours


def unpacked(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


@pytest.fixture(scope="module")
def seen():
    return look(zoo.load("cbam"), read_picture(images.samples()[0].path))


@pytest.fixture(scope="module")
def block(seen):
    return next(block for block in seen.blocks if block.name == "layer2.1.attention")


def channel(seen, block, **options):
    gate = block.channel
    return explorable.channel(seen.steps(gate.name), gate.values[0], gate.activation, block.name, **options)


def spatial(seen, block, **options):
    return explorable.spatial(
        seen.steps(block.spatial.name), block.spatial.values[0], block.spatial.activation, block.name, **options
    )


def test_the_colours_of_a_block_are_those_of_the_pages_from_end_to_end(seen, block):
    sent = channel(seen, block).figure["colours"]
    scales = {"features": FEATURES, "channel": CHANNEL_GATE, "spatial": SPATIAL_GATE, "change": CHANGE}
    for name, scale in scales.items():
        check_colours([f"rgb({shade})" for shade in sent[name]], np.linspace(0, 1, len(sent[name])), scale)
        assert len(sent[name]) > 16


def test_products_and_biases_of_a_channel_give_its_gate(seen, block):
    data = channel(seen, block).figure
    c, h = data["channels"], data["units"]
    first, second = (unpacked(data[name]["weights"], *shape) for name, shape in (("first", (h, c)), ("second", (c, h))))
    before, after = (unpacked(data[name]["biases"], -1) for name in ("first", "second"))
    gate = unpacked(data["gate"], c)
    for number in (0, 7, c - 1):
        logit = 0.0
        for branch in data["branches"]:
            squeezed, hidden = unpacked(branch["squeezed"], c), unpacked(branch["hidden"], h)
            for unit in range(h):
                inner = float(before[unit])
                for other in range(c):
                    inner += float(first[unit, other]) * float(squeezed[other])
                assert max(inner, 0) == pytest.approx(float(hidden[unit]), abs=1e-4)
                logit += float(second[number, unit]) * float(hidden[unit])
            logit += float(after[number])
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(float(gate[number]), abs=1e-5)


def test_a_map_times_its_gate_is_what_the_pass_went_on_with(seen, block):
    data, steps = channel(seen, block, whole=True).figure, seen.steps(block.channel.name)
    maps = unpacked(data["maps"]["values"], *steps.before[0].shape)
    gate = unpacked(data["gate"], -1)
    np.testing.assert_array_equal(maps, steps.before[0])
    np.testing.assert_allclose(maps * gate[:, None, None], steps.after[0], atol=1e-6)
    for branch in data["branches"]:
        pooled = maps.mean((1, 2)) if branch["name"] == "mean" else maps.max((1, 2))
        np.testing.assert_allclose(unpacked(branch["squeezed"], -1), pooled, atol=1e-5)


@pytest.mark.parametrize("network", ["cbam", "cbam-b0"])
def test_the_kernels_products_around_a_place_give_the_sum_of_the_pass(network):
    seen = look(zoo.load(network), read_picture(images.samples()[1].path))
    block = seen.blocks[3]
    data = spatial(seen, block, whole=True).figure
    assert data["border"] == {"cbam": "zeros", "cbam-b0": "reflect"}[network]
    (rows, columns), k, channels = data["size"], data["k"], data["channels"]
    kernel = unpacked(data["kernel"], len(data["pooled"]), k, k)
    maps = unpacked(data["maps"]["values"], channels, rows, columns)
    pooled = {each["name"]: unpacked(each["values"], rows, columns) for each in data["pooled"]}
    summed, logits, gate = (unpacked(data[name], rows, columns) for name in ("summed", "logits", "gate"))
    np.testing.assert_allclose(pooled["mean"], maps.mean(0), atol=1e-5)
    np.testing.assert_array_equal(pooled["largest"], maps.max(0))
    for row, column in ((0, 0), (rows // 2, 1), (rows - 1, columns - 1)):
        total = data["bias"]
        for values, weights in zip(pooled.values(), kernel, strict=True):
            for i in range(k):
                for j in range(k):
                    total += float(weights[i, j]) * met(values, row + i - k // 2, column + j - k // 2, data["border"])
        assert total == pytest.approx(float(summed[row, column]), abs=1e-4)
        assert 1 / (1 + math.exp(-logits[row, column])) == pytest.approx(float(gate[row, column]), abs=1e-5)


def met(values, row, column, border):
    """The value that a kernel meets at a place, which may lie beyond the edge."""
    rows, columns = values.shape
    if border == "reflect":
        row, column = (abs(at) if at < size else 2 * size - 2 - at for at, size in ((row, rows), (column, columns)))
    return float(values[row, column]) if 0 <= row < rows and 0 <= column < columns else 0.0


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": "same"}, {"stride": 2, "dilation": 2, "bias": False}])
def test_a_kernels_products_in_its_group_give_its_answer(groups, options):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 3, groups=groups, **options)).eval()
    batch = torch.randn(1, 3, 9, 11)
    found = convolution_at(module, "1", batch)
    data = explorable.kernels(found, "1").figure
    reads, window = 8 // groups, unpacked(data["window"], 8, 3, 3)
    weights, biases, output = (
        unpacked(data["weights"]["values"], 12, reads, 3, 3),
        unpacked(data["biases"], 12),
        data["output"],
    )
    with torch.inference_mode():
        answer = module(batch)[0, :, *found.place].numpy()
    for kernel in range(12):
        first, total = kernel // (12 // groups) * reads, float(biases[kernel])
        for channel in range(reads):
            for i in range(3):
                for j in range(3):
                    total += float(weights[kernel, channel, i, j]) * float(window[first + channel, i, j])
        assert total == pytest.approx(float(answer[kernel]), abs=1e-5)
    np.testing.assert_array_equal(unpacked(output, 12), answer)
    assert not module._forward_hooks and not module[1]._forward_hooks


@pytest.mark.parametrize("kernel", [(1, 5), (5, 3)])
def test_an_oblong_kernel_with_the_padding_same_reads_the_window_of_its_answer(kernel):
    torch.manual_seed(0)
    seen = convolution_at(nn.Sequential(nn.Conv2d(2, 3, kernel, padding="same")), "0", torch.randn(1, 2, 6, 7))
    answer = np.einsum("kcij,cij->k", seen.weights, seen.window) + seen.biases
    np.testing.assert_allclose(answer, seen.output[:, *seen.place], atol=1e-5)


def test_a_convolution_that_does_not_run_is_not_made_up():
    module = nn.Sequential(nn.Conv2d(3, 4, 1))
    module.idle = nn.Conv2d(3, 4, 1)
    module.forward = lambda pictures: module[0](pictures)
    with pytest.raises(LookupError, match="runs no convolution idle"):
        convolution_at(module, "idle", torch.randn(1, 3, 4, 4))


def test_of_many_maps_some_are_sent_until_all_are_asked_for(seen, block, monkeypatch):
    monkeypatch.setattr(explorable, "FIRST_VALUES", 10 * 20 * 20)
    some, whole = (channel(seen, block, whole=asked).figure["maps"] for asked in (False, True))
    assert len(some["which"]) == 10 and len(whole["which"]) == 64
    assert {int(block.channel.values[0].argmax()), int(block.channel.values[0].argmin())} <= set(some["which"])
    maps = unpacked(some["values"], 10, 20, 20)
    np.testing.assert_array_equal(maps, seen.steps(block.channel.name).before[0][some["which"]])


def test_a_kernel_that_does_not_explain_the_sums_is_not_shown(seen, block):
    steps = seen.steps(block.spatial.name)
    from dataclasses import replace

    assert explorable.border_and_bias(replace(steps, kernel=steps.kernel + 1)) is None
    assert explorable.border_and_bias(replace(steps, kernel=steps.kernel[:, :-1, :-1])) is None
    assert explorable.spatial(replace(steps, summed=None), block.spatial.values[0], "sigmoid", "") is None


def test_a_report_holds_the_block_and_its_script_and_no_text_ends_it(seen, block):
    hostile = explorable.channel(
        seen.steps(block.channel.name), block.channel.values[0], "sigmoid", "</script><script>alert(1)</script>"
    )
    text = report.html(report.Document("", "", (), [report.Section("", [hostile])]))
    assert text.count("</script>") == 4 and "const explorable" in text
    held = text.split('<script type="application/gzip">')[1].split("</script>")[0]
    assert json.loads(documents.unpacked(held)) == hostile.figure
    assert isinstance(hostile.figure, dict)
