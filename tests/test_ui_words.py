"""What sentences of the pages say at the bounds of their words, one and several, and with every number that they name.

Each is held against words that are written out here, or against numbers that are counted one by one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from attention import analysis
from attention.analysis.evidence import OverPictures, Test
from attention.charts import gates
from attention.grouped import Convolution, cost_of
from attention.interventions import Edit
from attention.models import zoo
from attention.records import Gate, KnownBlock, Part
from attention.report import observation
from attention.ui import cbam, excitation, fetching, models, overview, widgets
from attention.ui import gates as gate_pages
from attention.ui import grouped as grouped_page
from attention.ui.compare import columns, pictures
from attention.ui.intervene import controls, depth, effects
from attention.ui.lessons import gated


def gate(values, kind="channel", name="a.gate"):
    values = np.asarray(values, np.float32)[None]
    ends = float(values.min()), float(values.max())
    return Gate(name, kind, "sigmoid", values, (1, 2, 3, 3), *ends)


def measured(observed, p):
    return Test(observed, p, p, 99, -0.1, 0.1)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        *((text, True) for text in ("1", "007", "999999999")),
        *((text, False) for text in ("0", "1000000000", "٣", "-1", "", "1.0", "²")),
    ],
)
def test_a_number_in_a_link_is_a_whole_one_from_1_on_of_nine_digits_at_most(text, whole):
    assert grouped_page._is_count(text) is whole


def test_what_grouping_saves_is_said_with_the_numbers_of_the_layer():
    shape = Convolution(2048, 1024, (3, 1), 1, 7, 7, False)
    said = [grouped_page.answer(each, cost_of(each)) for each in (shape, replace(shape, groups=2))]
    assert said == [
        "With one group nothing is saved: every kernel reads all 2,048 channels, 6,291,456 weights.",
        "In 2 groups, a kernel reads 1,024 of 2,048 channels: 3,145,728 weights instead of 6,291,456.",
    ]
    for c1, c2, apart in ((8, 8, True), (8, 16, False)):
        shape = Convolution(c1, c2, (1, 1), 8, 7, 7, False)
        assert ("groups (depthwise), a kernel" in grouped_page.answer(shape, cost_of(shape))) is apart


@pytest.mark.parametrize(
    ("c2", "groups", "layers", "shuffle", "said"),
    [
        (8, 1, 2, True, "nothing to keep apart"),
        (8, 2, 1, True, "block-diagonal"),
        (8, 2, 2, False, "apart for ever"),
        (16, 4, 2, True, "A group has 4 output channels, enough for the shuffle to hand one to each of the 4 groups."),
        (12, 4, 2, True, "A group has only 3 output channels: the shuffle reaches 3 of 4 groups."),
        (4, 4, 2, True, "A group has only 1 output channel: the shuffle reaches 1 of 4 groups."),
    ],
)
def test_why_outputs_answer_is_said_of_what_decides_it(c2, groups, layers, shuffle, said):
    assert said in grouped_page._why(Convolution(16, c2, (3, 3), groups, 7, 7, False), layers, shuffle)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5, 0.1, 0.9], "all 3 channels lie between 0.1 and 0.9; the strongest is channel 2 at 0.900."),
        ([0.91, 0.5], "1 of 2 channels is let through above 0.9, 0 are held below 0.1; the strongest is channel 0"),
        ([0.95, 0.91, 0.09], "2 of 3 channels are let through above 0.9, 1 is held below 0.1; the strongest is"),
        ([0.0, 0.05], "0 of 2 channels are let through above 0.9, 2 are held below 0.1; the strongest is channel 1"),
        ([0.04, 0.05, 0.05], "0 of 3 channels are let through above 0.9, 3 are held below 0.1; the strongest is"),
    ],
)
def test_what_passes_is_counted_above_nine_tenths_and_below_one_tenth(values, said):
    values = np.asarray(values, np.float32)
    assert f"x: {said}" in gates.passing_in_words(gate(values), "x")
    answer, more = excitation.headline(gate(values), "a", "b", {})
    assert answer.startswith(f"Block b: {said}") and more == ""


def test_channels_that_all_have_one_gate_have_no_strongest():
    said = gates.passing_in_words(gate(np.full(3, 0.5, np.float32)), "x")
    assert said == "Block x has the same gate for 3 channels, 0.500."


@pytest.mark.parametrize(
    ("low", "high", "within"), [(0, 1, True), (-1e-6, 1, False), (0, 1.000001, False), (0.2, 0.3, True)]
)
def test_a_gate_is_on_the_scale_of_its_colours_from_0_to_1(low, high, within):
    one = gate([low, high])
    assert analysis.in_unit(one.values) is within
    said = overview.scale(SimpleNamespace(trace=SimpleNamespace(gates=[gate([0, 1]), one])))
    assert ("Some gates here leave 0 to 1" in said) is not within and "below 0.05, or of 0.95 and above" in said


def test_the_overview_says_the_mean_of_each_kind_of_gates():
    some = [gate([0.0, 0.5]), gate([0.5, 1.0]), gate([[0.1, 0.3]], "spatial")]
    seen = SimpleNamespace(
        blocks=[SimpleNamespace(gates=some[:1]), SimpleNamespace(gates=some[1:])], trace=SimpleNamespace(gates=some)
    )
    said = "With this picture, 2 channel gates have a mean of 0.500 and 1 spatial gate has a mean of 0.200"
    assert overview.headline(seen) == f"{said}; 1 would be no gate at all."
    of_branches = [([0.5, 0.4], "b#1"), ([0.5, 0.6], "b#2")]
    branches = [replace(gate(values, name=name), activation="softmax") for values, name in of_branches]
    seen.trace.gates = [*some, *branches]
    assert overview.headline(seen) == f"{said}."


@pytest.mark.parametrize(
    ("blocks", "begins"),
    [
        ([[0.5]], "1 gate in 1 block has a mean of 0.500 "),
        ([[0.5, 0.25]], "2 gates in 1 block have a mean of 0.375 "),
        ([[0.5], [0.25]], "2 gates in 2 blocks have a mean of 0.375 "),
        ([[0.5, 0.2], [0.2]], "3 gates in 2 blocks have a mean of 0.300 "),
    ],
)
def test_a_report_says_how_many_gates_in_how_many_blocks_and_the_mean_of_their_means(blocks, begins):
    made = tuple(SimpleNamespace(gates=[gate([value - 0.1, value + 0.1]) for value in each]) for each in blocks)
    values = [value for each in blocks for value in each]
    ends = f"run from {min(values) - 0.1:.3g} to {max(values) + 0.1:.3g}; 1 would be no gate at all."
    assert observation._answer(made) == f"{begins}over the gates; their values {ends}"


def outcome(before, after, number=0):
    each = [np.array(values, np.float32) for values in (before, after)]
    return effects.Outcome(*each, number, "cat", "logits")


def test_what_edits_did_is_said_of_the_class_with_its_numbers():
    gates = (gate([0.5, 1], name="layer1.0.se.ca"), gate([[0.5, 1]], "spatial", "layer1.0.se.sa"))
    trace = SimpleNamespace(gates=gates)
    seen = SimpleNamespace(labels=["cat", "dog"], names={"layer1.0.se": "1.0"}, trace=trace)
    off, top = Edit("off", block="layer1.0.se"), Edit("top", kind="channel", count=3)
    assert effects.headline(seen, outcome([0, 0], [0, 0]), []).startswith("Nothing is edited")
    same = effects.headline(seen, outcome([0, 1], [0, 1]), [off])
    assert same == (
        r"With the gates of block 1\.0 switched off, nothing changes: every output is the same to the last bit."
    )
    moved = effects.headline(seen, outcome([0, np.log(3)], [np.log(3), 0]), [top])
    assert moved.replace("\\", "") == (
        "With the channel gates of all blocks shut but for the 3 most open, P(cat) goes from 25.0% to 75.0%, and its "
        "first guess is now cat; its logit moves by +1.099."
    )
    still = effects.headline(seen, outcome([0, 2], [1, 2]), [off, top], measured(1, 0.05))
    assert "With 2 edits, P(cat)" in still.replace("\\", "") and "first guess" not in still
    assert still.endswith("Here it matters which channel or place gets which value (p = 0.05).")
    channels = effects.headline(seen, outcome([0, 2], [1, 2]), [top], measured(1, 0.0501))
    assert channels.endswith("there is no evidence that it matters which channel gets which value (p = 0.05).")
    points = Edit("set", size=(7, 5), points=((0, 1.0), (3, 0.5)))
    assert effects.edits_in_words([points], {}) == "the gates of 7 × 5 set by hand (2 of them)"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("off"), "all blocks, all gates: switch off"),
        (Edit("shuffle", block="b", seed=0), "b, all gates: shuffle (seed 0)"),
        (Edit("top", kind="spatial", count=4), "all blocks, spatial gates: keep the most open (the 4 of each)"),
        (Edit("set", size=(7, 5), points=((3, 1.0), (1, 0.0), (2, 0.0), (9, 0.0))), "(4: 1-3, 9)"),
        (Edit("move", block="b", shift=(-1, 2)), "b, all gates: move (-1 right, +2 down)"),
        (Edit("replace", block="b", pictures=("x", "y")), "b, all gates: from other pictures (x, y)"),
    ],
)
def test_an_edit_in_the_list_is_said_with_what_it_needs(edit, said):
    assert controls.in_words(edit).endswith(said)


def test_blocks_that_move_a_probability_by_less_than_is_written_are_not_ranked():
    def effect(before, after, change):
        return SimpleNamespace(probability=lambda _: (before, after), change=[change])

    still = [effect(0.11, 0.1101, 0.25), effect(0.11, 0.1099, -0.5)]
    assert depth._say_effects(["a", "b"], still, 0, "logit") == (
        "Whichever block is off, the probability stays 11.0%. The logit moves most without block **b**, by −0.500."
    )
    same = [effect(0.11, 0.11, 0.0)] * 2
    assert depth._say_effects(["a", "b"], same, 0, "logit") == "Whichever block is off, the probability stays 11.0%."
    some = [*still, effect(0.11, 0.2, 0.75)]
    told = depth._say_effects(["a", "b", "c"], some, 0, "logit")
    assert told == "The probability moves most without block **c**: 11.0% → 20.0%."


def test_the_block_that_moves_most_is_named_by_size_whatever_its_sign():
    tests = [measured(0.5, 0.06), measured(-2, 0.05), measured(1, 0.01)]
    assert depth.finding(["a", "b", "c"], tests, "channel or place") == (
        "Without block b the logit moves the most, by −2.000. In 2 of 3 blocks there is evidence that it matters which "
        "channel or place gets which value: b, c."
    )
    assert depth.finding(["a"], tests[:1], "place", "score").endswith(
        "score moves the most, by +0.500. In 0 of 1 blocks there is evidence that it matters which place gets "
        "which value."
    )
    found = [OverPictures(0.5, 0.1, 0.9, 6, 3), OverPictures(-1, -2, -0.25, 6, 2)]
    assert depth._over_pictures_in_words(["a", "b"], found, "logit") == (
        "Over n = 6 pictures, without block b the logit moves by −1.000 in the median (95% interval −2.000 to −0.250), "
        "with the same sign in 2 of 6."
    )


@pytest.mark.parametrize(
    ("share", "words"),
    [
        *((share, "little") for share in (0.0, 0.249)),
        *((share, "some") for share in (0.25, 0.499)),
        *((share, "much") for share in (0.5, 0.749)),
        *((share, "nearly all of their most important places") for share in (0.75, 1.0)),
    ],
)
@pytest.mark.parametrize("count", [2, 3])
def test_what_heatmaps_share_is_called_by_how_much_it_is(monkeypatch, share, words, count):
    seen = SimpleNamespace(targets=["A cat, tom", "a dog"])
    some = [SimpleNamespace(heatmap=1, speaks_for_class=True, target=0, observation=seen) for _ in range(count)]
    monkeypatch.setattr(columns.comparison, "mean_overlaps", lambda columns: (share, 0.4))
    answer, more = columns.headline(some, "a dog")  # which none of them could be asked about
    assert answer == f"The {count} heatmaps of “A cat” share {words}: {share:.0%}, by chance 20%."
    assert ("is the same, on average." in more) is (count > 2) and "would share 40% with them" in more
    some[1].target = 1
    assert columns.headline(some, "cat")[0].startswith(f"The {count} heatmaps of their own first guesses share")
    card = SimpleNamespace(name="mute")
    answer, more = columns.headline(
        [*some, SimpleNamespace(heatmap=1, speaks_for_class=False, target=0, card=card)], "cat"
    )
    assert answer.startswith(f"The {count} heatmaps") and "heatmap of mute speaks for the class" in more


NONE_YET = SimpleNamespace(heatmap=None)


def test_where_there_is_nothing_to_compare_it_is_said(monkeypatch):
    monkeypatch.setattr(columns.comparison, "mean_overlaps", lambda columns: None)
    assert columns.headline([1], "cat")[0] == "Choose another network to compare with."
    assert columns.headline([1, 2], None)[0].startswith("None of these networks gives a score")
    assert "Fewer than two of these networks have a heatmap of “cat”" in columns.headline([NONE_YET] * 2, "cat")[0]


def test_places_are_said_to_correspond_only_where_they_do():
    flip, crop, other = (
        pictures._how_compared("x", flipped=True),
        pictures._how_compared("x", flipped=False),
        pictures.SECONDS[1],
    )
    assert "mirrored back" in flip and "a crop moves" in crop and "n = 1 picture" in flip
    for flipped in (True, False):
        assert "places do not correspond" in pictures._how_compared(other, flipped=flipped)


@pytest.mark.parametrize(
    ("guesses", "said"),
    [
        (([("cat", 0.5)], [("cat", 0.25)]), "; the prediction is still cat, P 50.0% before and 25.0% after."),
        (([("cat", 0.5)], [("dog", 0.75)]), "; cat (50.0%) becomes dog (75.0%)."),
        (([], []), "."),
        (([("cat", 0.5)], []), "."),
    ],
)
def test_what_a_change_did_is_said_with_the_gate_that_moved_most(monkeypatch, guesses, said):
    monkeypatch.setattr(pictures, "_guesses", lambda seen: guesses[seen])
    first, second = gate([0.5, 1], name="b.gate"), gate([0, 0], name="c.gate")
    moved = ((first, 0.25), (second, 0.1))
    moves = [pictures.Move(each, each.values[0], each.values[0] + shift, each.values[0]) for each, shift in moved]
    assert (
        pictures._headline(0, 1, moves) == f"The gate {pictures._names(moves)[0]} moved most, by 0.250 on average{said}"
    )


def test_the_report_counts_the_gates_found_by_form():
    found, silent = KnownBlock("a", "SE", "SE", ("a.gate",)), KnownBlock("b", "SE", "SE", ())
    assert models.report_headline([found, silent, replace(found, form="CBAM")], 9) == (
        "Found 1 of 2 SE blocks and 1 of 1 CBAM block"
    )
    assert models.report_headline([], 1) == "Found 1 gate, in no known attention block"
    assert models.report_headline([], 0) == "No gates, and no block that is known for one"
    assert models.missing([found]) == [] and models.missing([found, silent])[0].startswith("**No gate** in b (SE): ")


def test_a_long_list_names_six_and_counts_the_rest():
    for count in range(1, 12):
        names = [f"b{number}" for number in range(count)]
        end = f" and {count - 6} more" * (count > 6)
        assert models._in_short(names) == ", ".join(names[:6]) + end
        assert widgets._options_in_words(names) == (", ".join(names) if count <= 6 else f"b0 to b{count - 1}")


def row(module="Conv2d", channels=None, kernel=(), groups=1, form="", name="layer1.0.conv1", several=1):
    part = Part(name, module, 0, 0, 0, 0, 0, 0, (), channels, kernel, groups, form, (), ())
    return SimpleNamespace(part=part, parts=[part] * several, gates=())


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (row(channels=(8, 16), kernel=(3, 1)), "3 × 1 convolution, 8 → 16"),
        (row(channels=(8, 16), kernel=(3, 3), groups=8), "3 × 3 depthwise convolution, 8 → 16"),
        (row(channels=(8, 8), kernel=(3, 3), groups=4), "3 × 3 convolution, 8 → 8"),
        (row(channels=(1, 8), kernel=(3, 3)), "3 × 3 convolution, 1 → 8"),
        (row("Gate", form="SE"), "SE"),
        (row("BasicBlock", several=2), "2 blocks, alike: BasicBlock"),
    ],
)
def test_a_row_of_the_layers_is_what_its_numbers_make_it(one, said):
    assert models.describe(one) == said


@pytest.mark.parametrize(
    ("one", "wanted", "found"),
    [
        (row(kernel=(3, 3), channels=(8, 16)), "conv1", True),
        (row(kernel=(3, 3), channels=(8, 16)), "→ 16", True),
        (row("Sequential", name="layer1"), "se", False),
        (row("Sequential", name="layer1"), "sequential", True),
        (row("Sequential", name="Layer1"), "layer", True),
        (row("Gate", name="x", form="SE"), "se", True),
    ],
)
def test_what_only_holds_others_is_found_by_its_whole_class(one, wanted, found):
    assert models._matches(one, wanted) is found


def test_a_network_in_one_sentence_counts_its_blocks():
    seen = SimpleNamespace(
        inventory=SimpleNamespace(
            network=SimpleNamespace(parameters=2000, macs=3_000_000, attention_parameters=100), unlisted=()
        ),
        blocks=[],
    )
    assert models.headline(seen) == "2.00 k parameters and 3.00 M MACs for one picture, and no gates."
    for blocks, said in ((1, "one block with gates holds"), (2, "2 blocks with gates hold")):
        seen.blocks = [None] * blocks
        assert models.headline(seen).endswith(f"for one picture; {said} 5.0% of the parameters.")


def test_how_far_a_download_is_is_said_in_megabytes_and_their_speed():
    assert fetching._progress_in_words(None) == (0, "Connecting")
    assert fetching._progress_in_words(fetching._Received(5_000_000, 20_000_000, 2.0)) == (0.25, "5 of 20 MB, 2.5 MB/s")
    assert fetching._progress_in_words(fetching._Received(5_000_000, 0, 2.0)) == (0, "5 MB, 2.5 MB/s")
    assert fetching._progress_in_words(fetching._Received(0, 10, 0.0)) == (0, "0 of 0 MB, 0.0 MB/s")


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ({"average": 1.5}, r"M_c[1] = \sigma(1.500) = 0.250"),
        ({"average": 1.5, "max": -2}, r"M_c[1] = \sigma(1.500 + (−2.000)) = \sigma(−0.500) = 0.250"),
        ({"average": 0.0, "max": 0.25}, r"M_c[1] = \sigma(0.000 + 0.250) = \sigma(0.250) = 0.250"),
    ],
)
def test_the_equation_of_a_channel_has_its_numbers(branches, said):
    steps = SimpleNamespace(branches={name: np.array([[9, value]]) for name, value in branches.items()})
    assert cbam.numbers_of_channel(steps, np.array([0.75, 0.25]), 1) == f"{said.split(' = 0.')[0]} = 0.250"


@pytest.mark.parametrize(
    ("value", "low", "high", "within"),
    [
        *((value, 1, 3, True) for value in (1, "3", 2.5)),
        *((value, 1, 3, False) for value in (3.01, 0.99, "nan", "inf", "x", None)),
    ],
)
def test_a_number_of_a_link_is_within_its_ends_and_the_ends_are(value, low, high, within):
    assert widgets._within(value, low, high) is within


def test_a_name_of_a_file_is_short_and_plain_and_never_empty():
    assert widgets.slug("a b/../c: é") == "a-b-..-c"
    assert widgets.slug("x" * 200) == "x" * 80 and widgets.slug("...") == "figure" and widgets.slug("-a.") == "a"


@pytest.mark.parametrize(
    ("shape", "easy"),
    [
        *((shape, True) for shape in ((1, 256, 14, 14), (1, 8, 40, 99))),
        *((shape, False) for shape in ((1, 257, 14, 14), (1, 8, 41, 99), (1, 8, 13, 40), (1, 8))),
    ],
)
def test_a_lesson_opens_on_maps_that_show_the_picture(shape, easy):
    block = SimpleNamespace(gates=[replace(gate([0.5]), feature_shape=shape)])
    assert gated._is_easy(block) is easy


def test_what_a_gate_that_is_switched_off_is_put_to_is_said_with_what_becomes_of_the_features():
    plain, tanh = gate([0.5, 1]), replace(gate([-0.5, 0.75]), activation="tanh")
    shares = replace(gate([0.25, 0.75]), activation="softmax")
    assert controls.neutral_in_words([plain, plain], [plain]) == (
        "Every value is put to 1: the features pass as if there were no gate."
    )
    assert controls.neutral_in_words([plain, tanh], [plain, tanh]) == (
        "Every value is put to 1: the features pass as if there were no gate; or put to 0: right for x + x · tanh; "
        "where the network adds no x, nothing of the features is left."
    )
    assert controls.neutral_in_words([shares], [shares]).endswith("together they let through far more than before.")
    both = [replace(shares, name=f"a.gate#{number}") for number in (1, 2)]
    assert "put to 0.5: each branch weighs as much as the others" in controls.neutral_in_words(both, both)


def test_a_gate_that_is_shown_as_its_average_is_said_to_be_with_what_else_its_block_has():
    rows, columns_ = gate([[0.5, 1]], "channel-height", "a.h"), gate([[0.5, 1]], "channel-width", "a.w")
    shown = replace(rows, kind="channel", values=rows.values.mean(2))
    alone = "This gate has a number for each channel and row. Shown is the average: a number for each channel."
    assert gate_pages.averaged_in_words(rows, shown, SimpleNamespace(gates=[rows])) == alone
    assert gate_pages.averaged_in_words(rows, shown, SimpleNamespace(gates=[rows, columns_])) == (
        f"{alone} Its block has a gate for each channel and column besides, which is not in these numbers."
    )


@pytest.mark.parametrize(
    ("source", "said"), [("own", "trained"), ("code", "as its code makes them"), ("file", "from its file")]
)
def test_where_weights_are_from_is_said_as_far_as_it_is_known(source, said):
    card = replace(zoo.card("cbam"), source=source)
    assert card.origin_of_weights == said
    assert replace(card, random=True).origin_of_weights == "random"
