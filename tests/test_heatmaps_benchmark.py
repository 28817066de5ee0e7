"""The benchmark of the heatmaps: what it counts as memory, and what it found out about the cut graph."""

import pytest
import torch
from click.testing import CliRunner

from attention.attribution import Attributor, GradCam
from attention.models import zoo
from benchmarks import heatmaps as benchmark


def test_the_peak_counts_what_is_held_at_one_time():
    def chain():
        values = torch.ones(1000)
        for _ in range(5):
            values = values + 1
        return values

    def kept():
        return [torch.ones(1000) for _ in range(5)]

    assert benchmark.most(chain) == 2 * 4000
    assert benchmark.most(kept) == 5 * 4000


def test_views_are_not_counted_a_second_time():
    assert benchmark.most(lambda: torch.ones(1000).reshape(10, 100)[2:]) == 4000


@pytest.mark.parametrize("name", ["cbam", "torchvision/mobilenet_v3_small", "timm/test_resnet"])
def test_grad_cam_holds_little_more_than_a_plain_pass_and_captum_as_it_comes_several_times_that(name):
    network = zoo.load(name, random=True)
    picture = torch.randn(1, 3, network.card.input_size, network.card.input_size)
    attribute = Attributor(network.module)
    layer = GradCam().place(attribute.layers(picture.shape))
    whole = benchmark.Whole(network.module, layer)
    with torch.no_grad():
        plain = benchmark.most(lambda: network.module(picture))
    ours, captum = benchmark.most(lambda: attribute(picture, 0)), benchmark.most(lambda: whole(picture))
    assert ours - picture.nbytes < 1.1 * plain  # the picture is copied
    assert captum > 3 * plain
    assert torch.allclose(whole(picture)[0, 0], torch.from_numpy(attribute(picture, 0).values), rtol=1e-4, atol=1e-12)


def test_the_command_prints_a_row_for_each_network():
    done = CliRunner().invoke(benchmark.main, ["cbam", "plain", "--rounds", "1"], catch_exceptions=False)
    _, *rows = done.output.splitlines()
    assert [row.split()[0] for row in rows] == ["cbam", "plain"] and all(row.count("x ") == 4 for row in rows)
