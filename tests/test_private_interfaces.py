"""What this project uses of other packages without their promise: each in one place, and there in this version."""

import dataclasses
import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import plotly.graph_objects as go
import pytest
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.runtime.state.query_params import QueryParams

ROOT = Path(__file__).parents[1]
USED = {  # (distribution, module, name): the one file that may use it, and why
    ("torch", "torch.utils._python_dispatch", "TorchDispatchMode"): ("cost.py", "to see every operation of one thread"),
    ("torch", "torch.utils._pytree", "tree_leaves"): ("cost.py", "to find the tensors in what an operation gives"),
    ("streamlit", "streamlit.web.bootstrap", "load_config_options"): ("serving/server.py", "to set the port"),
    ("streamlit", "streamlit.web.bootstrap", "prepare_streamlit_environment"): ("serving/server.py", "as its starter"),
    ("streamlit", "streamlit.web.server", "Server"): ("serving/server.py", "to start outside the main thread"),
    ("streamlit", "streamlit.web.server.starlette.starlette_server", "create_starlette_app"): (
        "serving/server.py",
        "to put the guard around it",
    ),
    ("streamlit", "streamlit.config", "_main_script_path"): ("serving/server.py", "to find the settings beside app.py"),
    ("streamlit", "streamlit.cli_util", "open_browser"): ("serving/server.py", "to open it as `streamlit run` does"),
    ("huggingface_hub", "huggingface_hub.constants", "HF_HUB_DISABLE_XET"): (
        "models/downloads.py",
        "to download by HTTP, which can be ended",
    ),
    ("pytorchcv", "pytorchcv.model_provider", "_models"): ("models/libraries.py", "to know what can be built"),
}


@pytest.mark.parametrize(("package", "module", "name"), USED)
def test_it_is_there_in_the_version_that_is_installed(package, module, name):
    assert hasattr(import_module(module), name), f"{package} {version(package)} has no {module}.{name}"


@pytest.mark.parametrize(("package", "module", "name"), USED)
def test_it_is_used_in_one_place(package, module, name):
    place, _ = USED[package, module, name]
    last = module.rpartition(".")[2]
    pattern = rf"\b{last}\.{name}\b|from {re.escape(module)} import .*\b{name}\b"
    files = [
        path for path in (ROOT / "attention").rglob("*.py") if re.search(pattern, path.read_text(encoding="utf-8"))
    ]
    assert [str(path.relative_to(ROOT / "attention")) for path in files] == [place]


def test_plotly_takes_a_figure_unchecked_in_the_version_that_is_installed_and_in_one_place():
    """`_validate`, by which a chart that was checked when it was made is not checked again for each visitor."""
    parts = {"data": [{"type": "bar", "no such": 1}], "layout": {"template": {}}}
    assert go.Figure(parts, _validate=False).to_dict()["data"] == parts["data"], version("plotly")
    files = [path for path in (ROOT / "attention").rglob("*.py") if "_validate=" in path.read_text(encoding="utf-8")]
    assert [path.name for path in files] == ["page_style.py"]


def test_streamlit_says_of_a_run_that_back_brought_it_in_the_version_that_is_installed_and_in_one_place():
    """`is_history_navigation`, without which an address that Back brought is one that the page wrote itself, the query
    of that address, which Streamlit gives to a page without the keys of the last one, and what the last one's
    fragments are held in."""
    used = {"is_history_navigation", "query_string", "session_state", "page_script_hash", "fragment_storage"}
    assert used <= set(dir(ScriptRunContext)) | {each.name for each in dataclasses.fields(ScriptRunContext)}, version(
        "streamlit"
    )
    used = {"populate_from_query_string", "set_initial_query_params_from_current", "set_corrected_value"}
    used |= {"_send_query_param_msg"}
    assert used <= set(dir(QueryParams)), version("streamlit")
    files = [
        path
        for path in (ROOT / "attention").rglob("*.py")
        if "is_history_navigation" in path.read_text(encoding="utf-8")
    ]
    assert [path.name for path in files] == ["going_back.py"]
