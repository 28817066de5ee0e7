"""The benchmark of which gates are found: its reference, its report, and that the README shows what the report says."""

import fnmatch
import pkgutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from attention.capture import trace
from benchmarks.discovery import __main__ as command
from benchmarks.discovery import measure, modules, networks, reference, report
from benchmarks.discovery.measure import Row
from tests import literature
from tests.documents import document

ROOT = Path(__file__).parents[1]
FOUND = document("found")
REPORT = ROOT / "docs" / "discovery.md"

SMALL = {
    "timm/test_efficientnet": {"SE": 2},
    "timm/test_byobnet": {"SE": 4},
    "timm/resnet18+cbam": {"CBAM": 16},
    "timm/resnet18+coord": {"coordinate": 16},
    "timm/focalnet_tiny_srf": {"focal modulation": 24},
    "timm/test_vit": {},
    "timm/convnext_atto@train": {},
    "torchvision/mobilenet_v3_small": {"SE": 9},
    "torchvision/fasterrcnn_mobilenet_v3_large_320_fpn": {"SE": 8},
    "pytorchcv/seresnet20_cifar10": {"SE": 9},
    "pytorchcv/sinet_cityscapes@256": {"SE": 3, "information blocking": 2},
    "pytorchcv/resdropresnet20_cifar10@train": {},
}
ROWS = [
    Row("timm/one", "64 × 64", Counter({"SE": 3, "CBAM": 2}), Counter({"CBAM": 1}), Counter(), True),
    Row(
        "timm/two",
        "64 × 48",
        Counter({"SE": 4}),
        Counter(),
        Counter({"some.Block full": 2, "other.Block channel": 1}),
        False,
    ),
    Row("pytorchcv/none@train", "32 × 32", Counter(), Counter(), Counter(), True),
]


@pytest.mark.filterwarnings("ignore")  # what the zoos warn of is theirs
@pytest.mark.parametrize("name", SMALL)
def test_trace_finds_exactly_what_the_reference_counts(name):
    row = measure.measure(name)
    assert row.gates == SMALL[name]
    assert not row.missed
    assert not row.false
    assert row.same_output


@pytest.mark.filterwarnings("ignore")
def test_what_trace_does_not_see_is_missed(monkeypatch):
    full = measure.trace
    monkeypatch.setattr(measure, "trace", lambda module, batch: Fewer(full(module, batch)))
    assert measure.measure("timm/test_byobnet").missed == {"SE": 1}


class Fewer:
    def __init__(self, found):
        self.gates, self.output = found.gates[1:], found.output


@pytest.mark.filterwarnings("ignore")
def test_what_the_reference_does_not_know_is_false_and_named_by_its_class(monkeypatch):
    monkeypatch.setattr(reference, "CLASSES", {})
    row = measure.measure("timm/test_byobnet")
    assert row.gates == {}
    assert row.false == {"timm.layers.squeeze_excite.SEModule channel": 4}


@pytest.mark.parametrize("name", reference.CLASSES)
def test_every_class_of_the_reference_is_there(name):
    assert issubclass(pkgutil.resolve_name(name), nn.Module)


def test_a_gate_of_another_kind_is_both_missed_and_false(monkeypatch):
    class Net(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    known = reference.Known("SE", ("spatial",))
    monkeypatch.setattr(reference, "CLASSES", {f"{Net.__module__}.{Net.__qualname__}": known})
    monkeypatch.setattr(networks, "build", lambda name: (Net(), torch.randn(2, 3, 4, 4)))
    row = measure.measure("timm/any")
    assert row.missed == {"SE": 1}
    assert [what.rsplit(" ", 1)[1] for what in row.false] == ["channel"]


def test_a_report_gives_back_its_rows_and_failures(tmp_path):
    path, failures = tmp_path / "report.md", {"timm/slow+cbam@96": "took more than 5 seconds"}
    report.write(path, ROWS, failures)
    assert report.read(path) == (ROWS, failures)
    assert report.read(tmp_path / "none.md") == ([], {})


def test_the_totals_count_each_gate_once():
    rows = [*ROWS, Row("timm/other", "8 × 8", Counter({"air block": 2}), Counter(), Counter(), True)]
    assert report.others(rows).splitlines()[2:] == ["| air block | 1 | 2 | 2 | 0 | 0 |"]
    assert report.summary(rows).splitlines() == [
        "| zoo | networks | gates | exact | missed | false |",
        "|---|--:|--:|--:|--:|--:|",
        "| timm | 3 | 11 | 10 | 1 | 3 |",
        "| pytorchcv | 1 | 0 | 0 | 0 | 0 |",
        "",
        "| attention | networks | gates | exact | missed | false |",
        "|---|--:|--:|--:|--:|--:|",
        "| SE | 2 | 7 | 7 | 0 | 0 |",
        "| CBAM | 1 | 2 | 1 | 1 | 0 |",
        "| no gates | 1 | 0 | 0 | 0 | 0 |",
    ]


def test_a_second_run_measures_only_what_the_first_did_not(tmp_path, monkeypatch):
    asked = []

    def measured(name, limit):
        asked.append(name)
        return (
            "broken on purpose" if name == "timm/b" and len(asked) < 3 else Row(name, "8 × 8", *[Counter()] * 3, True)
        )

    monkeypatch.setattr(networks, "FAMILIES", {"first": "timm/a timm/b", "second": "timm/c"})
    monkeypatch.setattr(command, "apart", measured)
    path = tmp_path / "report.md"
    for options in (["--family", "first"], []):
        result = CliRunner().invoke(command.main, ["--out", str(path), *options], catch_exceptions=False)
        assert result.exit_code == 0
    assert asked == ["timm/a", "timm/b", "timm/b", "timm/c"]
    rows, failures = report.read(path)
    assert [row.name for row in rows] == ["timm/a", "timm/b", "timm/c"]
    assert failures == {}


def test_a_network_that_cannot_be_built_has_a_reason_instead_of_a_row(monkeypatch):
    # The process imports what is the main module here, and streamlit's AppTest leaves a page there.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    from benchmarks.discovery.apart import apart

    assert apart("timm/no_such_network", 120).startswith("RuntimeError: Unknown model")


def test_the_report_has_a_row_or_a_reason_for_every_network_and_the_classes_of_the_reference():
    rows, failures = report.read(REPORT)
    measured = [row.name for row in rows] + list(failures)
    listed = [word for names in networks.FAMILIES.values() for word in names.split()]
    assert len(listed) == len(set(listed))
    assert len(measured) == len(set(measured))
    assert [word for word in listed if not fnmatch.filter(measured, word)] == []
    assert [name for name in measured if not any(fnmatch.fnmatch(name, word) for word in listed)] == []
    text = REPORT.read_text(encoding="utf-8")
    assert [name for name in reference.CLASSES if f"| {name} |" not in text] == []


def test_the_report_shows_what_is_found_of_the_blocks_by_hand():
    tallies = modules.tallies()
    assert report.blocks(tallies) in REPORT.read_text(encoding="utf-8")
    assert {(tally.missed, tally.false) for tally in tallies} == {(0, 0)}
    assert [tally.whole for tally in tallies] == [tally.modules for tally in tallies]


@pytest.mark.parametrize("name", literature.MADE)
@torch.no_grad()
def test_attention_after_papers_has_the_gates_of_its_equations(name):
    module, gates = literature.made(name), literature.MADE[name][1]
    torch.manual_seed(1)
    plain = module(literature.features())
    torch.manual_seed(1)
    found = trace(module, literature.features())
    assert torch.equal(found.output, plain)
    assert [(gate.kind, gate.activation) for gate in found.gates] == gates


def test_the_networks_that_are_listed_as_without_gates_have_none_by_the_reference():
    rows = {row.name: row for row in report.read(REPORT)[0]}
    without = [name for family, names in networks.FAMILIES.items() if "without" in family for name in names.split()]
    assert len([name for name in without if name in rows]) >= 30
    assert [name for name in without if name in rows and rows[name].gates] == []


def test_the_readme_shows_the_totals_of_the_report():
    summary = report.summary(report.read(REPORT)[0])
    assert summary in REPORT.read_text(encoding="utf-8")
    assert summary in FOUND
