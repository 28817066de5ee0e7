"""Names of classes come from text or JSON, one for each output of the network."""

import json
import re

import pytest

from attention import labels
from attention.records import GatescopeError

NAMES = ("tench", "great white shark, Carcharodon", "Ältere Glucke")
FORMS = {
    "text": "\n".join(NAMES),
    "text with Windows' line ends and a last empty line": "\ufeff" + "\r\n".join(NAMES) + "\r\n\r\n",
    "a list": json.dumps(NAMES),
    "a table": json.dumps({str(number): name for number, name in enumerate(NAMES)}),
    "a table in another order": json.dumps({str(number): NAMES[number] for number in (2, 0, 1)}),
    "ImageNet's index": json.dumps({str(number): ["n01440764", name] for number, name in enumerate(NAMES)}),
    "indented": json.dumps(NAMES, indent=2),
}


@pytest.mark.parametrize("form", FORMS)
def test_names_are_read_in_the_order_of_the_outputs(form):
    assert labels.read(FORMS[form].encode(), "labels.txt", 3) == NAMES


REFUSED = {
    "too few": (b"a\nb", "labels.txt names 2 classes and the network has 3"),
    "nothing": (b"", "names 0 classes and the network has 3"),
    "an empty line": (b"a\n\nb", "names class 1 ''; 1 to 200 printable"),
    "a long name": (b"a\nb\n" + b"c" * 201, "names class 2 'ccc"),
    "a control character": (b"a\nb\nc\x1b[2J", r"names class 2 'c\\x1b"),
    "half a character": (b'["a", "b", "\\ud800"]', r"names class 2 '\\ud800'"),
    "a picture": (b"\x89PNG\r\n", "no text in UTF-8"),
    "broken JSON": (b'["a", "b"', "begins as JSON and is none"),
    "JSON without end": (b"[" * 10**5, "begins as JSON and is none"),
    "numbers": (b"[1, 2, 3]", "holds 1 where a name is expected"),
    "a gap": (b'{"0": "a", "1": "b", "3": "c"}', "has no key '2'; the keys from 0 to 2"),
    "names as keys": (b'{"a": 0, "b": 1, "c": 2}', "has no key '0'"),
    "too much": (b"a" * (2**20 + 1), "has 1,048,577 bytes; at most 1,048,576"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_does_not_name_the_classes_is_refused_in_one_sentence(what):
    data, sentence = REFUSED[what]
    with pytest.raises(labels.LabelError, match=sentence) as caught:
        labels.read(data, "labels.txt", 3)
    assert isinstance(caught.value, GatescopeError) and str(caught.value).count("\n") == 0


def test_what_is_as_large_as_it_may_be_is_read():
    name = "c" * labels.MAX_LENGTH
    assert labels.read(name.encode(), "labels.txt", 1) == (name,)
    assert labels.read(b"a".ljust(labels.MAX_BYTES), "labels.txt", 1) == ("a",)


def test_classes_without_a_name_have_a_number():
    assert labels.default(3) == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(("name", "said"), [("a" * 60, "a" * 60), ("a" * 61, f"{'a' * 57}...")])
def test_a_name_in_a_sentence_has_at_most_sixty_letters(name, said):
    with pytest.raises(labels.LabelError, match=f"^{re.escape(said)} "):
        labels.read(b"a", name, 2)
