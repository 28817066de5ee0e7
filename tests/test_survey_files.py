"""A result as a file: to the last bit, whoever rewrites it; and from anyone, refused in one sentence or harmless."""

import contextlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention import survey
from attention.survey import checks, files
from tests.blocks import Function
from tests.surveys import folder, network, same

FIRST_FORM = Path(__file__).parent / "data" / "survey-format-1.parquet"
"""Made by the version before this form: eight pictures of noise, two that are broken."""
NO_RESULT = "is no result of a survey; only what the survey wrote is allowed"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    root = tmp_path_factory.mktemp("saved")
    source = folder(root / "pictures", {"a": 5, "b": 4, "odd, \udcff": 2})
    (source / "a" / "00001.png").write_bytes(b"broken")
    result = survey.run(network(), survey.list_pictures(source), settings=survey.Settings(out=root / "r.parquet"))
    return result, root / "r.parquet"


@pytest.fixture(scope="module")
def data(saved) -> bytes:
    return saved[1].read_bytes()


def equal(found: survey.Result, result: survey.Result) -> bool:
    """To the last bit, but for names that are no UTF-8 and tuples that JSON makes lists of."""
    assert found.outputs == result.outputs and found.labels == result.labels and found.failures == result.failures
    assert found.provenance == result.provenance | {"preprocessing": found.provenance["preprocessing"]}
    return same(found.gates, result.gates) and same(found.predictions, result.predictions)


def test_the_file_gives_the_result_back_to_the_last_bit(saved):
    result, path = saved
    found = survey.read(path)
    assert found.classes == ("a", "b", "odd, \\udcff") and found.paths.keys() == result.paths.keys()
    assert equal(found, result) and equal(survey.read_upload(path.read_bytes(), "r"), result)


def test_the_only_gate_of_a_network_has_a_name_where_an_earlier_version_gave_it_none(saved, tmp_path):
    result = replace(saved[0], gates=(replace(saved[0].gates[0], name="", feature_shape=()),))
    survey.write(result, tmp_path / "r.parquet")
    (gate,) = survey.read(tmp_path / "r.parquet").gates
    assert (gate.name, gate.shape) == ("#1", (3,))


def test_a_row_is_a_class_and_a_channel_of_a_channel_gate(saved):
    result, path = saved
    rows = pq.read_table(path).to_pylist()
    gate = result.gates[0]
    assert len(rows) == 3 * 3 and {row["gate"] for row in rows} == {gate.name}
    assert [row["arrays"] is None for row in rows] == [False] + [True] * 8
    for row in rows:
        label = ("a", "b", "odd, \\udcff").index(row["class"])
        assert row["count"] == gate.classes.count[label] == (4, 4, 2)[label]
        for column, name in {"mean": "mean", "std": "std", "min": "minimum", "max": "maximum"}.items():
            assert row[column] == getattr(gate.classes, name)[label, row["channel"]]


def test_a_class_without_a_usable_picture_has_a_row_without_numbers(tmp_path):
    source = folder(tmp_path / "pictures", {"a": 2, "b": 1})
    (source / "b" / "00000.png").write_bytes(b"broken")
    survey.run(network(), survey.list_pictures(source), settings=survey.Settings(out=tmp_path / "r.parquet"))
    last = pq.read_table(tmp_path / "r.parquet").to_pylist()[-1]
    assert last["class"] == "b" and last["count"] == 0 and np.isnan(last["mean"])
    assert np.isnan(survey.read(tmp_path / "r.parquet").gates[0].classes.mean[1]).all()


def test_a_result_without_gates_by_channel_is_one_row(saved, tmp_path):
    for gates in (saved[0].gates[1:], ()):
        result = replace(saved[0], gates=gates)
        survey.write(result, tmp_path / "r.parquet")
        assert len(pq.read_table(tmp_path / "r.parquet")) == 1
        assert equal(survey.read(tmp_path / "r.parquet"), result)


REWRITE = {
    "pyarrow": lambda one, two: pq.write_table(pq.read_table(one), two),
    "pyarrow, without metadata": lambda one, two: pq.write_table(pq.read_table(one).replace_schema_metadata(), two),
    "pyarrow, in small groups of pages of the second kind": lambda one, two: pq.write_table(
        pq.read_table(one), two, row_group_size=2, data_page_version="2.0", compression="gzip", write_page_checksum=True
    ),
    "pandas": lambda one, two: pd.read_parquet(one).to_parquet(two),
}


@pytest.mark.parametrize("program", REWRITE)
def test_a_program_that_rewrites_the_file_keeps_everything(saved, tmp_path, program):
    REWRITE[program](saved[1], tmp_path / "r.parquet")
    assert equal(survey.read(tmp_path / "r.parquet"), saved[0])
    assert equal(survey.read_upload((tmp_path / "r.parquet").read_bytes(), "r"), saved[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns("arrays"), NO_RESULT),
        (lambda table: table.slice(1), "another program has left some out"),
        (lambda table: table.slice(0, 5), "another program has left some out"),
        (lambda table: table.take([3, 4, 5, 0, 1, 2, 6, 7, 8]), "not in the order in which the survey wrote them"),
        (lambda table: table.take([0, 1, 2, 3, 4, 5, 6, 8, 7]), "not in the order in which the survey wrote them"),
        (lambda table: table.sort_by([("channel", "ascending")]), "not in the order in which the survey wrote them"),
        (lambda table: pa.concat_tables([table, table]), "another program has left some out"),
        (lambda table: table.drop_columns("mean"), NO_RESULT),
    ],
)
def test_a_program_that_leaves_something_out_is_found_out(saved, tmp_path, change, said):
    pq.write_table(change(pq.read_table(saved[1])), tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match=said):
        survey.read(tmp_path / "r.parquet")


def test_the_first_form_is_read_and_written_anew_in_this_one(tmp_path):
    result = survey.read(FIRST_FORM)
    assert same(survey.read_upload(FIRST_FORM.read_bytes(), "r"), result)
    assert result.provenance["pictures"]["root"] == "Ten pictures of noise" and "format" not in result.provenance
    assert result.classes == ("a", "b", "empty") and result.accuracy == 0.75 and result.pictures == 8
    assert result.predictions.tolist() == [[0, 0, 4], [1, 0, 2], [1, 1, 2]]
    assert result.gates[0].correct.mean.tolist() == [0.49348264125486213, 0.4074510153538237, 0.7805027011781931]
    assert result.gates[0].top.pictures[:3].tolist() == [[6, 6, 3], [5, 5, 4], [8, 7, 7]]
    assert [failure.path for failure in result.failures] == ["a/00001.png", "empty/00000.png"]
    for row in pq.read_table(FIRST_FORM).to_pylist():
        label = result.classes.index(row["class"])
        np.testing.assert_equal(result.gates[0].classes.mean[label, row["channel"]], row["mean"])
    survey.write(result, tmp_path / "r.parquet")
    assert same(survey.read(tmp_path / "r.parquet"), result)


def test_a_file_of_the_first_form_whose_arrays_another_program_left_out_says_so(tmp_path):
    held = pq.read_metadata(FIRST_FORM).metadata
    table = pq.read_table(FIRST_FORM).replace_schema_metadata({b"gatescope": held[b"gatescope"]})
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match="another program has left its arrays out"):
        survey.read(tmp_path / "r.parquet")


def rebuilt(data: bytes, text=None, arrays=None, packed=None) -> bytes:
    """The same file with another text, other arrays by name, or another archive of them."""
    table = pq.read_table(io.BytesIO(data))
    held = dict(np.load(io.BytesIO(table["arrays"][0].as_py())))
    if text:
        held["survey"] = np.frombuffer(json.dumps(text(json.loads(held["survey"].tobytes()))).encode(), np.uint8)
    npz = io.BytesIO()
    np.savez(npz, **(arrays(held) if arrays else held))
    cell = packed(npz.getvalue()) if packed else npz.getvalue()
    cells = pa.array([cell, *[None] * (len(table) - 1)], pa.large_binary())
    out = io.BytesIO()
    pq.write_table(table.set_column(table.num_columns - 1, "arrays", cells), out)
    return out.getvalue()


def refused(data: bytes, said: str = NO_RESULT) -> None:
    with pytest.raises(survey.SurveyError, match=said):
        survey.read_upload(data, "r.parquet")


def refused_unread(data: bytes) -> None:
    """Before an array of the file is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("an array was read"))
        refused(data)


def test_what_is_built_anew_here_is_read(data, saved):
    assert equal(survey.read_upload(rebuilt(data), "r.parquet"), saved[0])


@pytest.mark.parametrize("held", [b"", b"no Parquet", b"PAR1 cut off PAR1", b"PAR1" * 9])
def test_other_files_are_refused(tmp_path, held):
    refused(held)
    (tmp_path / "r.parquet").write_bytes(held)
    with pytest.raises(survey.SurveyError, match=NO_RESULT):
        survey.read(tmp_path / "r.parquet")


def test_a_path_that_no_file_can_have_is_one_sentence():
    with pytest.raises(survey.SurveyError, match="cannot be read: File name too long"):
        survey.read(Path("x" * 300))


def test_a_table_of_somebody_else_is_refused(tmp_path):
    pq.write_table(pa.table({"gate": ["a"]}), tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match=NO_RESULT):
        survey.read(tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match="is not there"):
        survey.read(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("form", ["this one", "the first one"])
def test_damage_is_refused_or_harmless(data, form):
    data = data if form == "this one" else FIRST_FORM.read_bytes()
    whole, random, ends = survey.read_upload(data, "r"), np.random.default_rng(1), 0
    for _ in range(200):
        hurt = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 6)):
            hurt[place] = random.integers(0, 256)
        try:
            found = survey.read_upload(
                bytes(hurt[: None if random.random() < 0.8 else random.integers(len(data))]), "r"
            )
        except survey.SurveyError:
            ends += 1
        else:
            assert [gate.shape for gate in found.gates] == [gate.shape for gate in whole.gates]
    assert ends > 50


def test_no_damage_of_the_footer_ends_the_process(data):
    end = len(data) - 8
    for place in range(end - int.from_bytes(data[end : end + 4], "little"), end):
        with contextlib.suppress(survey.SurveyError):
            survey.read_upload(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], "r")


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def struct_of(values: list[tuple[int, bytes]]) -> bytes:
    """Fields 1, 2 ... of Thrift's compact protocol, each a kind with its bytes."""
    return b"".join(bytes([16 | kind]) + value for kind, value in values) + b"\0"


def list_of(kind: int, value: bytes, count: int) -> bytes:
    head = bytes([count << 4 | kind]) if count < 15 else bytes([240 | kind]) + varint(count)
    return head + count * (value or b"\1")


def inside(values: st.SearchStrategy[tuple[int, bytes]]) -> st.SearchStrategy[tuple[int, bytes]]:
    """A list, a set or a struct of these."""
    lists = st.builds(lambda value, count: list_of(*value, count), values, st.integers(0, 20))
    return st.tuples(st.sampled_from([9, 10]), lists) | st.lists(values, max_size=3).map(lambda of: (12, struct_of(of)))


NUMBERS = st.tuples(st.sampled_from([4, 5, 6]), st.integers(0, 2**64 - 1).map(varint))
VALUES = st.one_of(
    st.sampled_from([(1, b""), (2, b""), (3, b"x"), (7, bytes(8))]),
    NUMBERS,
    st.tuples(st.just(8), st.binary(max_size=200).map(lambda text: varint(len(text)) + text)),
)
NESTED = inside(VALUES | inside(VALUES))


@settings(max_examples=50)
@given(st.lists(VALUES | NESTED, max_size=4), st.integers(0, 2**31 - 1), st.integers(0, 300))
def test_the_size_of_a_page_is_read_whatever_else_its_header_says(others, unpacked, packed):
    header = struct_of([(5, varint(0)), (5, varint(2 * unpacked)), (5, varint(2 * packed)), *others])
    page = header + bytes(packed)
    assert list(checks.page_sizes(io.BytesIO(2 * page), 0, 2 * len(page))) == [unpacked, unpacked]


LIMITS = {"file": 10, "rows": 1, "text": 1, "arrays": 1, "gates": 1, "classes": 1}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("form", ["this one", "the first one"])
def test_what_a_file_says_of_itself_is_judged_before_it_is_read(data, monkeypatch, limit, form):
    data = data if form == "this one" else FIRST_FORM.read_bytes()
    monkeypatch.setattr(checks, "UPLOAD", replace(checks.UPLOAD, **{limit: LIMITS[limit]}))
    monkeypatch.setattr(files, "_result", lambda *_: pytest.fail("it was read"))
    refused(data, "at most [0-9]+ are allowed")


def test_a_file_at_each_bound_is_read_and_one_more_is_refused(data, saved, monkeypatch):
    """The bound of each kind is the file's own number, counted by other code; none stands for another."""
    table = pq.read_table(io.BytesIO(data))
    arrays = table["arrays"][0].as_py()
    text = np.load(io.BytesIO(arrays))["survey"]
    own = {"file": len(data), "rows": len(table), "text": len(text), "arrays": len(arrays)}
    own |= {"gates": len(saved[0].gates), "classes": len(saved[0].classes)}
    assert own.keys() == LIMITS.keys()
    ample = checks.UPLOAD
    for limit, number in own.items():
        monkeypatch.setattr(checks, "UPLOAD", replace(ample, **{limit: number}))
        assert equal(survey.read_upload(data, "r.parquet"), saved[0])
        monkeypatch.setattr(checks, "UPLOAD", replace(ample, **{limit: number - 1}))
        refused(data, "at most [0-9,]+ are allowed")


def npy(shape, held: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": shape})
    return file.getvalue() + held


def archive(change, compression=zipfile.ZIP_STORED):
    """The archive with its members changed, by name."""

    def packed(npz: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(npz)) as source, zipfile.ZipFile(out, "w", compression) as made:
            for name in source.namelist():
                made.writestr(name, change.get(name, source.read(name)))
        return out.getvalue()

    return packed


def test_a_stored_array_that_claims_more_than_it_has_is_refused_before_it_is_read(data):
    refused_unread(rebuilt(data, packed=archive({"predictions.npy": npy((2**40, 3), bytes(24))})))
    refused_unread(rebuilt(data, packed=archive({"survey.npy": npy((2**40,), bytes(24))})))
    refused_unread(rebuilt(data, packed=archive({"predictions.npy": npy((2,), bytes(24))})))


def test_a_deflated_array_is_refused_before_it_is_read(data):
    refused_unread(rebuilt(data, packed=archive({}, zipfile.ZIP_DEFLATED)))


def test_an_array_of_two_names_is_refused_before_it_is_read(data):
    def twice(npz: bytes) -> bytes:
        out = io.BytesIO(npz)
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(out, "a") as made:
            made.writestr("predictions.npy", npy((1, 3), bytes(24)))
        return out.getvalue()

    refused_unread(rebuilt(data, packed=twice))


def test_pages_that_unpack_to_more_than_is_allowed_are_refused_before_they_are_unpacked(data, monkeypatch):
    bomb = rebuilt(data, packed=lambda npz: bytes(2**25))
    assert len(bomb) < 2**21  # 32 MB of zeros
    monkeypatch.setattr(checks, "UPLOAD", replace(checks.UPLOAD, rows=100, arrays=2**20))
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("a page was unpacked"))
    refused(bomb, "bytes without compression; at most")


def test_pages_are_added_up():
    raw, random = io.BytesIO(), np.random.default_rng(0)
    pq.write_table(pa.table({name: random.random(10_000) for name in "ab"}), raw, use_dictionary=False)
    facts = pq.read_metadata(raw)
    checks.weigh_table(raw, facts, replace(checks.UPLOAD, rows=10_000, arrays=0))
    with pytest.raises(survey.SurveyError, match=r"160,\d+ bytes without compression; at most 120,000 are allowed"):
        checks.weigh_table(raw, facts, replace(checks.UPLOAD, rows=10_000, arrays=120_000 - 640_000))


def header(*fields: bytes) -> io.BytesIO:
    """A page of four bytes: its kind, 64 bytes without compression, 4 as it lies there, and these fields."""
    return io.BytesIO(b"".join([b"\x15\x00", b"\x15\x80\x01", b"\x15\x08", *fields, b"\x00", bytes(4)]))


def test_the_header_of_a_page_is_read_whatever_else_is_in_it():
    two_truths = b"\x69\x21\x01\x02"  # field 9, a list of two booleans
    words = b"\x58\x03abc"  # five fields on, three bytes
    inner = b"\x1c\x15\x06\x00"  # a struct with a field of its own
    for fields in ([], [two_truths], [words], [inner], [inner, words, two_truths]):
        raw = header(*fields)
        assert list(checks.page_sizes(raw, 0, len(raw.getvalue()))) == [64]


@pytest.mark.parametrize("field", [b"\x05\x04\x02", b"\x05\x06\x02", b"\x1b\x01", b"\x1f"], ids=["2", "3", "map", "?"])
def test_a_header_with_a_size_twice_or_a_kind_of_no_use_is_refused(field):
    raw = header(field)
    with pytest.raises(ValueError, match=r"do not fit|no struct"):
        list(checks.page_sizes(raw, 0, len(raw.getvalue())))


WAYS = [
    {},
    {"compression": "zstd"},
    {"data_page_version": "2.0"},
    {"use_dictionary": False, "write_page_checksum": True},
]


@pytest.mark.parametrize("way", WAYS)
def test_page_sizes_are_those_that_add_up_to_the_files_own_sums(way):
    random = np.random.default_rng(0)
    table = pa.table({"n": random.random(50_000), "s": [str(number % 700) for number in range(50_000)]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=20_000, data_page_size=2**14, **way)
    facts, pages, chunks = pq.read_metadata(out), 0, checks.column_chunks(out)
    for group in range(facts.num_row_groups):
        for number in range(facts.num_columns):
            chunk = facts.row_group(group).column(number)
            start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            assert next(chunks) == (start, chunk.total_compressed_size)
            sizes = list(checks.page_sizes(out, start, start + chunk.total_compressed_size))
            assert 0 <= chunk.total_uncompressed_size - sum(sizes) <= 200 * len(sizes)  # the headers
            pages += len(sizes)
    assert pages > 10 and not list(chunks)


@pytest.mark.parametrize("cut", range(1, 12))
def test_bytes_that_are_no_pages_have_no_sizes(cut):
    out = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2, 3]}), out, use_dictionary=False)
    chunk = pq.read_metadata(out).row_group(0).column(0)
    end = chunk.data_page_offset + chunk.total_compressed_size
    with pytest.raises((ValueError, IndexError)):
        list(checks.page_sizes(out, chunk.data_page_offset, end - cut))


def changed(**facts):
    return lambda text: text | facts


def gate_changed(number, **facts):
    def text(held):
        gates = list(held["gates"])
        gates[number] = gates[number] | facts
        return held | {"gates": gates}

    return text


@pytest.mark.parametrize(
    "text",
    [
        changed(classes=["a"]),
        changed(classes=[]),
        changed(classes=["a", "b", 3]),
        changed(outputs=[0, 99, 1]),
        changed(outputs=[0]),
        changed(labels=[1, 2, 3]),
        changed(gates=[]),
        changed(gates=5),
        changed(gates=[{}]),
        changed(paths=[]),
        changed(paths=[[1]]),
        changed(failures=[["a"]]),
        changed(failures=[[1, 2, 3]]),
        changed(provenance={}),
        changed(provenance=[]),
        changed(format=3),
        changed(format="2"),
        lambda text: text | {"provenance": text["provenance"] | {"network": {"name": 1}}},
        gate_changed(0, kind="nonsense"),
        gate_changed(0, shape=[-3]),
        gate_changed(0, shape=["3"]),
        gate_changed(0, name="other"),
        gate_changed(1, shape=[2, 2]),
        gate_changed(1, name="#1"),
        lambda text: [],
    ],
)
def test_texts_that_do_not_fit_are_refused(data, text):
    refused(rebuilt(data, text=text), f"{NO_RESULT}|left some out|not in the order|format .*; 1 and 2 are")


@pytest.mark.parametrize("place", [[0, 10**9, 10], [-5, 10, 10], [0, 100, 100], [-1, 5, 2**60], "none", None])
def test_a_place_of_the_arrays_of_the_first_form_that_cannot_be_is_refused(place):
    with pq.ParquetFile(FIRST_FORM) as file:
        text, table = json.loads(file.metadata.metadata[files.FIRST_FORM]), file.read()
    out = io.BytesIO()
    with pq.ParquetWriter(out, table.schema.remove_metadata()) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({files.FIRST_FORM: json.dumps(text | {"arrays": place})})
    refused(out.getvalue(), f"{NO_RESULT}|left its arrays out|bytes of arrays; at most")


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays | {"predictions": np.array([[0, 99, 1]])},
        lambda arrays: arrays | {"predictions": np.array([[-1, 0, 1]])},
        lambda arrays: arrays | {"predictions": np.zeros((2, 2), np.int64)},
        lambda arrays: arrays | {"0/histogram": arrays["0/histogram"][:, :3]},
        lambda arrays: arrays | {"0/top/pictures": arrays["0/top/pictures"] + 1000},
        lambda arrays: arrays | {"0/overall/mean": arrays["0/overall/mean"] * np.nan},
        lambda arrays: arrays | {"0/overall/std": arrays["0/overall/std"][:1]},
        lambda arrays: arrays | {"1/shuffled/mean": arrays["1/shuffled/mean"][:1]},
        lambda arrays: {name: values for name, values in arrays.items() if name != "1/classes/mean"},
        lambda arrays: {name: values for name, values in arrays.items() if name != "survey"},
        lambda arrays: arrays | {"predictions": np.array([["a", "b", "c"]])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(data, change):
    refused(rebuilt(data, arrays=change))


def test_a_gate_of_one_number_is_read_back(tmp_path):
    def one_for_all(m, x):
        return m.head((x * torch.sigmoid(m.one(x.mean((2, 3))))[:, :, None, None]).mean((2, 3)))

    module = Function(one_for_all, one=torch.nn.Linear(3, 1), head=torch.nn.Linear(3, 3))
    result = survey.run(network(module), survey.list_pictures(folder(tmp_path / "pictures", {"a": 2, "b": 2})))
    survey.write(result, tmp_path / "r.parquet")
    assert [gate.shape for gate in survey.read_upload((tmp_path / "r.parquet").read_bytes(), "r").gates] == [(1,)]
