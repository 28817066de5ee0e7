"""Which network: one by name, fetched where its weights are not here, one of a weight file, or one of code."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from attention import labels, serving
from attention.analysis import predictions
from attention.bands import FORM, RGB, bands_in_words, layers_of, parse_bands
from attention.images import Preprocessing, parse_size, size_in_words
from attention.models import code, libraries, weight_files, zoo
from attention.models.network import parse_region, with_bands
from attention.models.weight_files import WeightFile
from attention.numbers import amount, magnitude
from attention.observe import NetworkChoice, Picture
from attention.records import Band, GatescopeError, ModelCard
from attention.ui import uploads
from attention.ui.cache import MOST, STORE
from attention.ui.widgets import ON_OFFER, choose, literal, notes, sentence

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.models.checkpoints import Contents
    from attention.models.families import Architecture

ALIKE = "All of them were trained by one recipe with one seed; they differ in the residual block alone."
DEFAULT = "cbam-b0"
"""It knows a thousand classes, so that a picture of a person's own has a name, and has gates of both kinds."""
FOR_PAGES = {"excitation": "efficientnet-b0", "lesson_se": "efficientnet-b0", "lesson_grouped": "se-resnext"}
"""Where a page is better opened on another network: SE's gates squeeze once, CBAM's twice; one with groups."""
_OUTPUTS, _BANDS = "outputs", "bands"
_OUTPUTS_HELP = "; ".join(f"{name}: {meaning}" for name, meaning in predictions.MEANING.items()) + "."
ALL, ONLY = "all that it returns", "the tensor"
"""An answer that nobody has chosen, and the only one of a network that returns no container."""
REGION_HELP = "A map of scores becomes one score a class: whole, or left, top, right, bottom as shares of the map."
WEIGHTS = ["Trained", "Random"]
_NAMED, _USUAL = "_network_named", "_network_usual"
ORIGINS = [ON_OFFER, "Your weights"]
ANY = (
    "The first six come with Gatescope. The others are torchvision's, timm's and pytorchcv's, for ImageNet; any other "
    "classifier of theirs can be typed, such as timm/seresnet33ts."
)


def choose_network(page: str) -> NetworkChoice:
    """The network and its weights, by widgets in the place where this is called. A network by name is not loaded yet;
    one of a person's own code comes first, where the server was started on it; else one that suits the page."""
    served = _served()
    origin = st.segmented_control(
        "Network", ORIGINS, default=ON_OFFER, required=True, key="origin", persist_state="session"
    )
    if origin == ON_OFFER:
        return _choose_on_offer(page, served)
    if choice := choose_weight_file():
        return choice
    st.caption("Until there is one that fits, this is the network that comes first.")
    return _by_name(served.network.card.name if served else DEFAULT, served)


def choose_outputs(choice: NetworkChoice) -> NetworkChoice:
    """The network with what a person says that it returns: asked where nobody has published it, or a link says it."""
    if choice.card.source not in ("code", "file") and _OUTPUTS not in st.query_params:
        return choice
    options = [None, *predictions.OUTPUTS]
    outputs = choose(
        "What it returns", options, key=_OUTPUTS, names=lambda one: one or RECOGNISED.lower(), help=_OUTPUTS_HELP
    )
    return replace(choice, outputs=outputs)


def choose_answer(choice: NetworkChoice) -> NetworkChoice:
    """The network of a person's own code with one of several outputs for its answer, and a map of scores averaged."""
    answers = choice.card.answers
    if not answers or (list(answers) == [""] and len(answers[""]) == 2):
        return choice
    shapes = [f"{path or ONLY}: {' × '.join(map(str, shape[1:]))}" for path, shape in answers.items()]
    path = choose(
        "Its answer",
        [None, *answers],
        key="output",
        names=lambda one: ALL if one is None else one or ONLY,
        help=f"What it returns for a picture: {', '.join(shapes)}.",
    )
    if path is None:
        return choice
    region = None
    if len(answers[path]) == 4:
        given = st.text_input("Scores averaged over", "whole", key="region", bind="query-params", help=REGION_HELP)
        region = parse_region(given)
    return replace(choice, key=f"{choice.key} {path} {region}", load=lambda: code.varied(choice.load(), path, region))


def choose_bands(choice: NetworkChoice, picture: Picture) -> NetworkChoice:
    """The network with what its input channels read; asked where the picture has other bands than its colours, where
    the network reads others, or a link says it. A weight file is asked beside its size."""
    usual = choice.card.bands
    asked = layers_of(picture.image) or usual != RGB or _BANDS in st.query_params
    if choice.card.source == "file" or not asked:
        return choice
    wanted = _ask_bands(usual, f"This picture has {literal(bands_in_words(picture.image))}.")
    if wanted == usual:
        return choice
    card, key = with_bands(choice.card, wanted), f"{choice.key} {wanted}"
    return replace(choice, card=card, key=key, load=lambda: choice.load().with_bands(wanted))


def _ask_bands(usual: tuple[Band, ...], about: str = "") -> tuple[Band, ...]:
    """What each input channel reads, which stands in the address. Raises PictureError."""
    label, explained = f"What the {len(usual)} input channels read", f"{BAND_HELP} {about}".strip()
    return parse_bands(st.text_input(label, ", ".join(usual), key=_BANDS, bind="query-params", help=explained))


def _mark_named() -> None:
    st.session_state[_NAMED] = True


def _choose_on_offer(page: str, served: serving.Served | None) -> NetworkChoice:
    names = ((served.network.card.name,) if served else ()) + zoo.names()
    if "network" in st.query_params:  # later it is not there where it is the first of the list
        _mark_named()
    usual = names[0] if served else FOR_PAGES.get(page, DEFAULT)
    before = st.session_state.get(_USUAL)
    if not st.session_state.get(_NAMED) and before != usual and st.session_state.get("network") == before:
        st.session_state["network"] = usual  # nobody chose it: it was the usual one of another page
    st.session_state[_USUAL] = usual
    name = st.selectbox(
        "Network by name",
        names,
        names.index(usual),
        key="network",
        on_change=_mark_named,
        bind="query-params",
        accept_new_options=True,
        help=ANY,
        label_visibility="collapsed",
    )
    if name == usual != DEFAULT and not served and not st.session_state.get(_NAMED):
        st.caption(f"This page opens on it; the others open on {DEFAULT}, until you choose one for all.")
    return _by_name(name, served)


def _by_name(name: str, served: serving.Served | None) -> NetworkChoice:
    if served and name == served.network.card.name:
        _describe(served.network.card, random=False)
        return _served_choice(served)
    card = _card(name)
    asked = card.source not in ("own", "converted")
    random = asked and choose("Weights", WEIGHTS, key="weights", look="row") == "Random"
    _describe(card, random=random)
    return zoo_choice(card, random=random)


def zoo_choice(card: ModelCard, *, random: bool) -> NetworkChoice:
    """A network of the zoo, not loaded yet."""
    key = f"{card.name} {'random' if random else card.sha256}"
    return NetworkChoice(card, key, lambda: zoo.load(card.name, random=random), random)


def own_choices() -> list[NetworkChoice]:
    """A person's own networks, chosen in the sidebar or not: the one of their code, and the one uploaded last."""
    found = uploaded_choices()
    with contextlib.suppress(GatescopeError):  # the sidebar has said it
        if served := serving.current_network():
            found.insert(0, _served_choice(served))
    return found


def _served_choice(served: serving.Served) -> NetworkChoice:
    return NetworkChoice(served.network.card, served.key, lambda: served.network)


def _served() -> serving.Served | None:
    """The network of a person's own code that this server was started on."""
    try:
        with st.spinner("Building your network", show_time=True):
            return serving.current_network()
    except GatescopeError as error:
        with notes():
            st.error(f"{sentence(error)} Until that is put right and this page opened anew, your network is not here.")
        return None


def _card(name: str) -> ModelCard:
    try:
        with st.spinner("Looking the network up", show_time=True):
            return zoo.card(name)
    except GatescopeError as error:
        with notes():
            st.error(f"{sentence(error)} Until another is chosen, this is {DEFAULT}.")
        return zoo.card(DEFAULT)


def _heading(card: ModelCard) -> str:
    return f"**{literal(card.title)}**: {literal(card.description)}"


def _describe(card: ModelCard, *, random: bool) -> None:
    size = f"{magnitude(card.parameters)} parameters"
    if random:
        st.caption(f"**{literal(card.title)}** of {literal(card.source)}, built here with random weights. {size}.")
    elif card.source == "code":
        st.caption(f"**{literal(card.title)}**, your own code as this server was started with it. {size}.")
    elif card.source == "own":
        st.caption(
            f"{_heading(card)}. {size}; trained here on {card.training['data']}; "
            f"{card.accuracy:.1%} top-1 of {card.validation_pictures:,} validation pictures.",
            help=ALIKE,
        )
    else:
        none_known = "accuracy not measured here" if card.source == "converted" else "accuracy not published"
        accuracy = none_known if card.accuracy is None else f"{card.accuracy:.1%} top-1, as published"
        notes = "\n\n".join(map(literal, card.notes))
        st.caption(f"{_heading(card)}. {size}; {accuracy}. Licence: {literal(card.licence)}.", help=notes or None)
    if assumed := [phrase for phrase in card.assumed if phrase != libraries.ABOUT]:
        st.caption(f"Assumed, since nobody states it: {literal('; '.join(assumed))}.")


EXTENSIONS = ["safetensors", "pt", "pth", "ckpt", "pkl", "bin", "tar", "zip"]
"""The first bytes say what a file is; `.pth.tar` and `.bin` are habits of those who publish weights."""
RECOGNISED = "As recognised"
MEGABYTES = 500
"""The largest upload; the largest ResNet, 152 layers deep, has 242 MB."""
HELP = (
    f"A state dict of one of the families that are known here, {MEGABYTES} MB at most; no code in the file is run. Any "
    "other network can be shown from its own code: `python -m attention serve --help`."
)
SIZES = "A side, or a height and a width: 224, 256 × 128."
BAND_HELP = f"A band of the picture for each channel: {FORM}. All but the colours have the average of mean and std."
_UPLOAD, _REFUSED, _COUNT, _OF_FILE = "_weights", "_weights_refused", "_weights_count", "_weights_chosen"


class Upload(NamedTuple):
    """A weight file that was read: its tensors are kept for all visitors, and its bytes are let go."""

    name: str
    sha256: str
    parts: tuple[str | None, ...] = (None,)
    """The networks in it, where there are several."""


def choose_weight_file() -> NetworkChoice | None:
    """The network of an uploaded weight file, with what was assumed, or else of the one before it; None where there is
    none that works."""
    upload = _take_upload()
    if upload is None:
        return None
    described = st.container()
    part = upload.parts[0]
    if len(upload.parts) > 1:
        part = st.selectbox("Network in the file", upload.parts, key="network_in_file")
    try:
        with st.expander("How it was recognised", icon=":material/fingerprint:"):
            file = _choose_family(upload, part)
        found = file.architecture
        with st.expander("Its pictures and classes", icon=":material/tune:"):
            seen = _choose_pictures(weight_files.usual_preprocessing(found))
            names = _choose_labels(cast(int, found.settings["classes"]))
        key = hashlib.sha256(repr((upload, part, found.family, seen, names)).encode()).hexdigest()
        network = _assemble(key, file, prepared=(seen, names))
    except GatescopeError as error:
        with described:
            st.error(f"{literal(upload.name)}: {sentence(error)}", icon=":material/error:")
            _draw_differences(error)
            if before := uploaded_choices()[:1]:
                st.caption(f"Until it fits, this is still the file before it: {literal(before[0].card.name)}.")
        return before[0] if before else None
    with described:
        _describe_upload(upload, network, found)
    card = replace(network.card, title=found.family, description="weights of your own")

    def load(key: str, family: str) -> zoo.Network:  # by what it is, so that the server can let the tensors go
        return _assemble(key, _recognise(upload.sha256, part, family, name=upload.name), prepared=(seen, names))

    def alike(family: str) -> NetworkChoice:
        other = f"{key} {family}"
        return NetworkChoice(
            replace(card, name=f"{card.name} as {family}", title=family), other, partial(load, other, family)
        )

    choice = NetworkChoice(card, key, partial(load, key, found.family))
    st.session_state[_OF_FILE] = [choice, *map(alike, found.alternatives)]
    return choice


def uploaded_choices() -> list[NetworkChoice]:
    """The network of the last weight file that made one, and then every other that its keys allow."""
    return st.session_state.get(_OF_FILE, [])[:]


def _take_upload() -> Upload | None:
    """The file that was uploaded last and could be read. A new one makes room in the uploader at once."""
    count = st.session_state.get(_COUNT, 0)
    for file in uploads.files("Weight file", EXTENSIONS, MEGABYTES, key=f"weights_{count}", help=HELP):
        _keep_upload(file)
        st.session_state[_COUNT] = count + 1
        st.rerun()
    if _REFUSED in st.session_state:
        st.error(st.session_state[_REFUSED], icon=":material/error:")
    return st.session_state.get(_UPLOAD)


def _keep_upload(file: UploadedFile) -> None:
    """The tensors in a file, or why there are none; either way its bytes are let go."""
    data = file.getvalue()
    upload = Upload(file.name, hashlib.sha256(data).hexdigest())
    st.session_state.pop(_REFUSED, None)
    try:
        parts = _read_parts(upload.sha256, data)
    except GatescopeError as error:
        st.session_state[_REFUSED] = f"{literal(file.name)}: {sentence(error)}"
    else:
        st.session_state[_UPLOAD] = upload._replace(parts=parts)
        for own in ("network_in_file", "family", "size", "bands", "mean", "std"):
            st.session_state.pop(own, None)
    uploads.let_go(file)


def _read_parts(sha256: str, data: bytes) -> tuple[str | None, ...]:
    """The networks in a file, each read: one without a name, or several of which the person will choose."""
    from attention.models.checkpoints import SeveralNetworksError

    try:
        _contents(sha256, None, data)
    except SeveralNetworksError as error:
        if len(error.parts) > MOST["weights"]:
            raise
        for part in error.parts:
            _contents(sha256, part, data)
        return error.parts
    return (None,)


def _choose_family(upload: Upload, part: str | None) -> WeightFile:
    """What the keys say that it is, or what the person says; below that, why."""
    family = st.selectbox("Family", [RECOGNISED, *weight_files.families()], key="family")
    _contents(upload.sha256, part, None)  # the last that was asked for is the last that is let go
    file = _recognise(upload.sha256, part, None if family == RECOGNISED else family, name=upload.name)
    phrases = (*file.architecture.evidence, *file.notes)
    st.caption("\n".join(f"- {phrase}" for phrase in map(literal, phrases)))
    return file


def _choose_pictures(usual: Preprocessing) -> Preprocessing:
    size = parse_size(st.text_input("Image size in pixels", size_in_words(usual.size), key="size", help=SIZES))
    bands = _ask_bands(usual.bands)
    mean, std = _choose_colours("Mean", usual.mean), _choose_colours("Std", usual.std)
    return replace(usual, size=size, bands=bands, mean=mean, std=std)


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
    given = uploads.files("Names of the classes", ["txt", "json"], 1, key=key, help=labels.ALLOWED)
    return labels.read(given[0].getvalue(), given[0].name, classes) if given else ()


def _describe_upload(upload: Upload, network: zoo.Network, found: "Architecture") -> None:
    gates = ", ".join(f"{count} {kind}" for kind, count in (network.card.gates or {}).items()) or "none"
    known = "taken for" if found.alternatives else "recognised as"  # others have the same keys
    st.caption(
        f"**{literal(upload.name)}** was {known} **{found.family}**: {network.card.parameters:,} parameters, "
        f"{amount(len(network.labels), 'class', 'classes')}; gates: {gates}."
    )
    if network.card.assumed:
        st.caption(f"Assumed, since the file does not say it: {literal('; '.join(network.card.assumed))}.")


def _draw_differences(error: GatescopeError) -> None:
    """Every key that the network lacks, has besides, or has in another shape, where the sentence names the first."""
    from attention.models.families import RecognitionError

    if isinstance(error, RecognitionError) and error.differences:
        found = error.differences
        kinds = {"missing": found.missing, "left over": found.left_over, "of another shape": found.misshapen}
        what, keys = zip(*((kind, key) for kind, each in kinds.items() for key in each), strict=True)
        st.dataframe(
            {"key": keys, "what": what}, hide_index=True, alt=f"The {amount(len(keys), 'key')} that do not fit."
        )


def _contents(sha256: str, part: str | None, data: bytes | None) -> "Contents":
    """The tensors of a file, which are those of the networks made of it too, and what was taken off."""
    from attention.models import checkpoints

    def read() -> "Contents":
        if data is None:
            raise zoo.ZooError(
                "Others were uploaded since, and the server has let these weights go; upload them again."
            )
        return checkpoints.contents(data, part=part)

    return STORE.get("weights", (sha256, part), read)


def _recognise(sha256: str, part: str | None, family: str | None, *, name: str) -> WeightFile:
    key = (sha256, part, family, name)
    return STORE.get(
        "recognised", key, lambda: weight_files.recognise_file(name, sha256, _contents(sha256, part, None), family)
    )


def _assemble(key: str, file: WeightFile, *, prepared: tuple[Preprocessing, Sequence[str]]) -> zoo.Network:
    return STORE.get("assembled", key, lambda: weight_files.assemble(file, seen=prepared[0], labels=prepared[1]))
