"""A survey's file of the first form, whose arrays lie beside its table, is judged as one of this form is."""

import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from attention import survey
from attention.survey import files
from tests.test_survey_files import FIRST_FORM, archive, npy, refused_unread, same


def rebuilt_first_form(packed) -> bytes:
    """The file of the first form with another archive of its arrays."""
    with pq.ParquetFile(FIRST_FORM) as file:
        text, table = json.loads(file.metadata.metadata[files.FIRST_FORM]), file.read()
    start, length, size = text["arrays"]
    stored = pa.decompress(FIRST_FORM.read_bytes()[start : start + length], size, "zstd", asbytes=True)
    cell, out = packed(stored), io.BytesIO()
    squeezed = pa.compress(cell, "zstd", asbytes=True)
    with pq.ParquetWriter(out, table.schema.remove_metadata()) as writer:
        writer.write_table(table)
        place = [out.tell(), len(squeezed), len(cell)]
        out.write(squeezed)
        writer.add_key_value_metadata({files.FIRST_FORM: json.dumps(text | {"arrays": place})})
    return out.getvalue()


def test_arrays_of_the_first_form_are_weighed_as_those_of_this_one_before_they_are_read():
    assert same(survey.read_upload(rebuilt_first_form(bytes), "r"), survey.read(FIRST_FORM))
    refused_unread(rebuilt_first_form(archive({"predictions.npy": npy((2**40, 3), bytes(24))})))
    refused_unread(rebuilt_first_form(archive({}, zipfile.ZIP_DEFLATED)))
