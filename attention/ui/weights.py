"""A weight file of a person's own in the sidebar: uploaded, recognised, and made a network."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from attention import labels
from attention.images import Preprocessing
from attention.models import weight_files, zoo
from attention.models.code import LARGEST
from attention.models.weight_files import WeightFile
from attention.observe import NetworkChoice
from attention.records import GatescopeError
from attention.ui.widgets import literal

if TYPE_CHECKING:
    from torch import Tensor

    from attention.models.families import Architecture

EXTENSIONS = ["safetensors", "pt", "pth", "bin", "tar", "zip"]
"""The first bytes say what a file is; `.pth.tar` and `.bin` are habits of those who publish weights."""
RECOGNISED = "As recognised"
MEGABYTES = 500
"""Of an upload; the largest ResNet, 152 layers deep, has 242 MB."""
HELP = (
    f"A state dict of one of the families that are known here, {MEGABYTES} MB at most; no code in the file is run. Any "
    "other network can be shown from its own code: `python -m attention serve --help`."
)
_UPLOAD, _REFUSED, _COUNT, _CHOSEN = "_weights", "_weights_refused", "_weights_count", "_weights_chosen"


class Upload(NamedTuple):
    """A weight file that was read: its tensors are kept for all visitors, and its bytes are let go."""

    name: str
    sha256: str


def choose_weights() -> NetworkChoice | None:
    """The network of an uploaded weight file, with what was assumed; None where there is none that works."""
    upload = _take()
    if upload is None:
        return None
    described = st.container()
    try:
        with st.expander("How it was recognised", icon=":material/fingerprint:"):
            found = _choose_family(upload)
        with st.expander("Its pictures and classes", icon=":material/tune:"):
            seen = _choose_pictures(weight_files.usual(found))
            names = _choose_labels(cast(int, found.settings["classes"]))
        key = hashlib.sha256(repr((upload, found.family, seen, names)).encode()).hexdigest()
        network = _network(key, upload, found, _prepared=(seen, names))
    except GatescopeError as error:
        with described:
            st.error(f"{literal(upload.name)}: {literal(str(error))}", icon=":material/error:")
            _draw_differences(error)
        return None
    with described:
        _describe(upload, network, found)
    card = replace(network.card, title=found.family, description="weights of your own")
    choice = NetworkChoice(card, key, partial(_network, key, upload, found, _prepared=(seen, names)))
    st.session_state[_CHOSEN] = choice
    return choice


def uploaded() -> list[NetworkChoice]:
    """The network of the last weight file that made one, where there is one."""
    return [choice] if (choice := st.session_state.get(_CHOSEN)) else []


def _take() -> Upload | None:
    """The file that was uploaded last and could be read. A new one makes room in the uploader at once."""
    count = st.session_state.get(_COUNT, 0)
    file = st.file_uploader("Weight file", EXTENSIONS, key=f"weights_{count}", max_upload_size=MEGABYTES, help=HELP)
    if file is not None:
        _keep(file)
        st.session_state[_COUNT] = count + 1
        st.rerun()
    if _REFUSED in st.session_state:
        st.error(st.session_state[_REFUSED], icon=":material/error:")
    return st.session_state.get(_UPLOAD)


def _keep(file: UploadedFile) -> None:
    """The tensors in a file, or why there are none; either way its bytes are let go."""
    data = file.getvalue()
    upload = Upload(file.name, hashlib.sha256(data).hexdigest())
    st.session_state.pop(_REFUSED, None)
    try:
        _state(upload.sha256, data)
    except GatescopeError as error:
        st.session_state[_REFUSED] = f"{literal(file.name)}: {literal(str(error))}"
    else:
        st.session_state[_UPLOAD] = upload
        for own in ("family", "size", "mean", "std"):
            st.session_state.pop(own, None)
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def _choose_family(upload: Upload) -> "Architecture":
    """What the keys say it is, or what the person says; below that, why."""
    family = st.selectbox("Family", [RECOGNISED, *weight_files.families()], key="family")
    found = _architecture(upload.sha256, None if family == RECOGNISED else family)
    phrases = (*found.evidence, *_state(upload.sha256, None)[1])
    st.caption("\n".join(f"- {phrase}" for phrase in map(literal, phrases)))
    return found


def _choose_pictures(usual: Preprocessing) -> Preprocessing:
    size = st.number_input("Image size in pixels", 1, LARGEST, usual.size, key="size")
    return replace(usual, size=size, mean=_choose_colours("Mean", usual.mean), std=_choose_colours("Std", usual.std))


def _choose_colours(name: str, usual: tuple[float, float, float]) -> tuple[float, float, float]:
    given = st.text_input(f"{name} of red, green, blue", " ".join(map(str, usual)), key=name.lower())
    try:
        red, green, blue = map(float, given.replace(",", " ").split())
    except ValueError:
        raise zoo.ZooError(f"{name} is {given[:40]!r}; three numbers are allowed, such as 0.5 0.5 0.5.") from None
    return red, green, blue


def _choose_labels(classes: int) -> tuple[str, ...]:
    """From a file; none where there is no file, or another than that of this network."""
    key = f"labels_{st.session_state[_COUNT]}"
    file = st.file_uploader("Names of the classes", ["txt", "json"], key=key, max_upload_size=1, help=labels.ALLOWED)
    return labels.read(file.getvalue(), file.name, classes) if file else ()


def _describe(upload: Upload, network: zoo.Network, found: "Architecture") -> None:
    gates = ", ".join(f"{count} {kind}" for kind, count in (network.card.gates or {}).items()) or "none"
    st.caption(
        f"**{literal(upload.name)}** was recognised as **{found.family}**: {network.card.parameters:,} parameters, "
        f"{len(network.labels):,} classes; gates: {gates}."
    )
    if network.card.assumed:
        st.caption(f"Assumed, since the file does not say it: {'; '.join(network.card.assumed)}.")


def _draw_differences(error: GatescopeError) -> None:
    """Every key that the network lacks, has besides, or has in another shape, where the sentence names the first."""
    from attention.models.families import RecognitionError

    if isinstance(error, RecognitionError) and error.differences:
        found = error.differences
        kinds = {"missing": found.missing, "left over": found.left_over, "of another shape": found.misshapen}
        what, keys = zip(*((kind, key) for kind, each in kinds.items() for key in each), strict=True)
        st.dataframe({"key": keys, "what": what}, hide_index=True, alt=f"The {len(keys)} keys that do not fit.")


@st.cache_resource(max_entries=4, show_spinner="Reading the weights")
def _state(sha256: str, _data: bytes | None) -> "tuple[dict[str, Tensor], tuple[str, ...]]":
    """The tensors of a file, which are those of the networks made of it too, and what was taken off."""
    from attention.models import checkpoints

    if _data is None:
        raise zoo.ZooError("Others were uploaded since, and the server has let these weights go; upload them again.")
    return checkpoints.contents(_data)


@st.cache_resource(max_entries=16, show_spinner="Recognising the network")
def _architecture(sha256: str, family: str | None) -> "Architecture":
    from attention.models import recognise

    return recognise.recognise(_state(sha256, None)[0], family)


@st.cache_resource(max_entries=4, show_spinner="Building the network")
def _network(
    key: str, _upload: Upload, _found: "Architecture", *, _prepared: tuple[Preprocessing, Sequence[str]]
) -> zoo.Network:
    state, notes = _state(_upload.sha256, None)
    file = WeightFile(_upload.name, _upload.sha256, state, _found, notes)
    return weight_files.assemble(file, seen=_prepared[0], labels=_prepared[1])
