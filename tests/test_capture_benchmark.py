"""The ways that the benchmark times see the same gates, and its ratios are those of its times."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from attention.capture import trace
from attention.models import zoo
from benchmarks import capture as benchmark


@pytest.mark.parametrize("name", ["se", "cbam", "se-resnext", "torchvision/mobilenet_v3_small", "timm/seresnet50"])
@torch.no_grad()
def test_each_way_that_is_told_where_the_gates_are_gives_those_that_trace_finds(name):
    module, batch = zoo.load(name, random=True).module, torch.randn(2, 3, 64, 64)
    expected, runs = trace(module, batch), benchmark.ways(module)
    output, hooked = runs["hooks"](batch)
    given = {"hooks": hooked, "LayerActivation": list(runs["LayerActivation"](batch))}
    assert torch.equal(output, expected.output)
    assert ("feature extractor" in runs) != name.startswith("torchvision/")
    if "feature extractor" in runs:
        *given["feature extractor"], last = runs["feature extractor"](batch).values()
        assert torch.equal(last, expected.output)
    for gates in given.values():
        assert len(gates) == len(expected.gates) > 0
        for one, other in zip(gates, expected.gates, strict=True):
            np.testing.assert_array_equal(one.reshape(other.values.shape).numpy(), other.values)


def test_all_take_turns_and_each_runs_in_each_place():
    ran = []
    times = benchmark.paired({name: lambda name=name: ran.append(name) for name in "abc"}, seconds=0, rounds=3)
    assert "".join(ran) == "abcbcacab"
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_is_the_median_over_the_rounds_of_that_to_the_plain_pass():
    found = benchmark.ratios({"plain": [1.0, 2.0, 4.0], "replay": [1.5, 2.0, 20.0]})
    assert found == {"plain": 1.0, "replay": 1.5}


def test_the_command_prints_a_row_for_each_network_and_batch():
    command = ["plain", "se", "--batch", "1", "--seconds", "0", "--rounds", "1"]
    head, _, *rows = CliRunner().invoke(benchmark.main, command, catch_exceptions=False).output.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:3] for row in cells] == [["plain", "0", "1"], ["se", "8", "1"]]
    assert {len(row) for row in cells} == {head.count("|") - 1}
    always, told = benchmark.WAYS[:3], benchmark.WAYS[3:6]  # TorchLens and nnsight may be there or not
    assert cells[0][4 + len(always) :][: len(told)] == ["–"] * 3
    assert all(float(cell) > 0 for cell in cells[1][4:][: len(always + told)])
