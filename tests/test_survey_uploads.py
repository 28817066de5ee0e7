"""A result file from anyone: what the survey wrote is read, anything else is refused in one sentence."""

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attention import survey
from attention.survey import files
from tests.surveys import folder, network, same


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    result = survey.run(network(), survey.list_pictures(folder(root / "pictures", {"a": 5, "b": 4})))
    survey.write(result, root / "r.parquet")
    return result, (root / "r.parquet").read_bytes()


def rebuilt(data: bytes, text=None, arrays=None, rows=None) -> bytes:
    """The same file with other text, arrays or rows."""
    with pq.ParquetFile(io.BytesIO(data)) as file:
        held = json.loads(file.metadata.metadata[files.TEXT])
        table = file.read()
    start, length, size = held["arrays"]
    packed = pa.decompress(data[start : start + length], size, "zstd", asbytes=True)
    out = io.BytesIO()
    writer = pq.ParquetWriter(out, table.schema.remove_metadata())
    writer.write_table(rows(table) if rows else table)
    start = out.tell()
    packed = arrays(packed) if arrays else packed
    out.write(pa.compress(packed, "zstd", asbytes=True))
    held["arrays"] = [start, out.tell() - start, len(packed)]
    writer.add_key_value_metadata({files.TEXT: json.dumps(text(held) if text else held)})
    writer.close()
    return out.getvalue()


def repacked(change):
    """Arrays by name, changed, as the .npz that the file holds."""

    def arrays(packed: bytes) -> bytes:
        held = dict(np.load(io.BytesIO(packed)))
        out = io.BytesIO()
        np.savez(out, **change(held))
        return out.getvalue()

    return arrays


def test_what_the_survey_wrote_is_read(whole):
    result, data = whole
    found = survey.read_upload(data, "r.parquet")
    assert same(found.gates, result.gates) and found.paths == result.paths
    assert same(survey.read_upload(rebuilt(data), "r.parquet").gates, result.gates)


def refused(data: bytes, said: str = "is no result of a survey; only what the survey wrote is allowed") -> None:
    with pytest.raises(survey.SurveyError, match=said):
        survey.read_upload(data, "r.parquet")


def test_other_files_are_refused():
    table = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), table)
    for data in (b"", b"no Parquet", b"PAR1" * 9, table.getvalue()):
        refused(data)


def test_damage_is_refused_or_harmless(whole):
    result, data = whole
    random = np.random.default_rng(1)
    ends = 0
    for _ in range(250):
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
            assert [gate.shape for gate in found.gates] == [gate.shape for gate in result.gates]
    assert ends > 50


def test_a_file_that_is_too_large_is_not_opened(whole, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    refused(whole[1], "at most 0 are allowed")


@pytest.mark.parametrize("limit", ["MAX_ROWS", "MAX_TEXT", "MAX_ARRAYS", "MAX_GATES", "MAX_CLASSES"])
def test_what_a_file_says_of_itself_is_judged_before_it_is_read(whole, monkeypatch, limit):
    monkeypatch.setattr(files, limit, 1)
    monkeypatch.setattr(files, "read", lambda path: pytest.fail("it was read"))
    refused(whole[1], "at most 1 are allowed|at most 64 are allowed")


def test_an_array_that_claims_more_than_it_has_is_refused_before_it_is_read(whole, monkeypatch):
    def bomb(packed: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in source.namelist():
                held = source.read(name)
                if name == "predictions.npy":
                    header = io.BytesIO()
                    np.lib.format.write_array_header_1_0(
                        header, {"descr": "<i8", "fortran_order": False, "shape": (2**40, 3)}
                    )
                    held = header.getvalue() + b"\0" * 24
                archive.writestr(name, held)
        return out.getvalue()

    data = rebuilt(whole[1], arrays=bomb)
    monkeypatch.setattr(files, "read", lambda path: pytest.fail("it was read"))
    refused(data)


def changed(**facts):
    return lambda text: text | facts


@pytest.mark.parametrize(
    "text",
    [
        changed(classes=["a"]),
        changed(classes=["a", 3]),
        changed(outputs=[0, 99]),
        changed(outputs=[0]),
        changed(labels=[1, 2, 3]),
        changed(gates=[]),
        changed(paths=[]),
        changed(failures=[["a"]]),
        changed(provenance={}),
        lambda text: text | {"provenance": text["provenance"] | {"network": {"name": 1}}},
        lambda text: text | {"gates": [text["gates"][0] | {"kind": "nonsense"}, text["gates"][1]]},
        lambda text: text | {"gates": [text["gates"][0] | {"shape": [-3]}, text["gates"][1]]},
        lambda text: text | {"gates": [text["gates"][0], text["gates"][1] | {"shape": [2, 2]}]},
        lambda text: text | {"gates": [text["gates"][0], text["gates"][1] | {"name": text["gates"][0]["name"]}]},
        lambda text: text | {"arrays": [0, 10**9, 10]},
        lambda text: text | {"arrays": [-5, 10, 10]},
        lambda text: text | {"arrays": [*text["arrays"][:2], text["arrays"][2] - 1]},
        lambda text: text | {"arrays": [*text["arrays"][:2], text["arrays"][2] + 10**6]},
        lambda text: [],
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(whole, text):
    refused(rebuilt(whole[1], text=text))


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
        lambda arrays: arrays | {"predictions": np.array([["a", "b", "c"]])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(whole, change):
    refused(rebuilt(whole[1], arrays=repacked(change)))


def test_another_number_of_rows_is_refused(whole):
    refused(rebuilt(whole[1], rows=lambda table: table.slice(1)))
