"""A result as a file: the table that any reader of Parquet sees, and everything else, to the last bit."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attention import survey
from attention.survey import files
from tests.surveys import folder, network, same


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    root = tmp_path_factory.mktemp("saved")
    source = folder(root / "pictures", {"a": 5, "b": 4, "odd, \udcff": 2})
    (source / "a" / "00001.png").write_bytes(b"broken")
    result = survey.run(network(), survey.list_pictures(source), settings=survey.Settings(out=root / "r.parquet"))
    return result, root / "r.parquet"


def test_the_file_gives_the_result_back_to_the_last_bit(saved):
    result, path = saved
    found = survey.read(path)
    assert found.classes == ("a", "b", "odd, \\udcff")
    assert same(found.gates, result.gates) and same(found.predictions, result.predictions)
    assert (
        found.outputs == result.outputs
        and found.failures == result.failures
        and found.paths.keys() == result.paths.keys()
    )
    assert found.accuracy == result.accuracy and found.labels == result.labels
    assert found.provenance == result.provenance | {"preprocessing": found.provenance["preprocessing"]}


def test_a_row_is_a_class_and_a_channel_of_a_channel_gate(saved):
    result, path = saved
    rows = pq.read_table(path).to_pylist()
    gate = result.gates[0]
    assert len(rows) == 3 * 3 and {row["gate"] for row in rows} == {gate.name}
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


@pytest.mark.parametrize("held", [b"", b"no Parquet", b"PAR1 cut off PAR1"])
def test_other_files_are_refused(tmp_path, held):
    (tmp_path / "r.parquet").write_bytes(held)
    with pytest.raises(survey.SurveyError, match="is no result of a survey"):
        survey.read(tmp_path / "r.parquet")


def test_a_table_of_somebody_else_is_refused(tmp_path):
    pq.write_table(pa.table({"gate": ["a"]}), tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match="is no result of a survey"):
        survey.read(tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match="is not there"):
        survey.read(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": [0, 100, 100]},
        {"arrays": [-1, 5, 2**60]},
        {"arrays": "none"},
        {"gates": [{}]},
        {"gates": 5},
        {"provenance": []},
        {"paths": [[1]]},
        {"failures": [[1, 2, 3]]},
    ],
)
def test_a_file_whose_text_was_changed_is_refused(saved, tmp_path, monkeypatch, change):
    changed = tmp_path / "r.parquet"
    files.write(saved[0], changed)
    assert survey.read(changed).pictures == saved[0].pictures
    true_text = json.loads
    monkeypatch.setattr(files.json, "loads", lambda held: true_text(held) | change)
    with pytest.raises(survey.SurveyError, match="is no result of a survey"):
        survey.read(changed)


def test_a_result_of_another_format_is_refused(saved, monkeypatch):
    monkeypatch.setattr(files, "FORMAT", 2)
    with pytest.raises(survey.SurveyError, match="has format 1; 2 is the one"):
        survey.read(saved[1])


def test_a_result_whose_arrays_another_program_left_out_is_refused(saved, tmp_path):
    table = pq.read_table(saved[1])
    held = pq.read_metadata(saved[1]).metadata
    pq.write_table(table.replace_schema_metadata({b"gatescope": held[b"gatescope"]}), tmp_path / "r.parquet")
    with pytest.raises(survey.SurveyError, match="is no result of a survey"):
        survey.read(tmp_path / "r.parquet")
