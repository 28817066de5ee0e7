"""The plan of the house as tests: who may import whom, what stays light, how large a file and a function may grow."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "pages").glob("*.py"))
FOLDERS = ("attention", "pages", "tests", "benchmarks", "assets")
CODE = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]


class Door(NamedTuple):
    """What a room may import: while it is being imported itself, and later, inside functions, besides."""

    top: frozenset[str]
    inside: frozenset[str] = frozenset()


def door(outside: str = "", house: str = "", *, inside: str = "", inside_house: str = "") -> Door:
    """A door by the names of packages and of rooms, with spaces between them."""
    top, later = (
        frozenset(packages.split()) | {f"attention.{room}" for room in rooms.split()}
        for packages, rooms in ((outside, house), (inside, inside_house))
    )
    return Door(top, later)


# In the order of the data: a room imports only rooms that stand above it. "" is the front door, which opens last.
ROOMS = {
    "kinds": door(),
    "foreign": door(),
    "terms": door(),
    "records": door("numpy", "kinds"),
    "numbers": door("numpy", "records"),
    "process": door(inside="torch"),
    "limits": door("", "records"),
    "files": door("", "records limits"),
    "bands": door("numpy PIL", "records numbers"),
    "images": door("numpy PIL", "records files process limits bands", inside="torch pillow_heif"),
    "devices": door("", "records", inside="torch"),
    "layers": door("torch"),
    "networks": door("torch", "layers"),
    "labels": door("", "records numbers files images"),
    "cost": door("torch", "records"),
    "analysis": door("numpy", "records numbers"),
    "capture": door("numpy torch", "records numbers"),
    "inventory": door("", "records", inside="torch", inside_house="cost"),
    "models": door(
        "numpy torch",
        "foreign records numbers bands limits files images networks labels analysis",
        inside="torchvision timm pytorchcv safetensors filelock httpx2 huggingface_hub tqdm",
        inside_house="cost capture",
    ),
    "attribution": door("torch", "records process limits", inside="captum"),
    "grouped": door("numpy torch", "records numbers process layers cost"),
    "store": door(),
    "observe": door(
        "PIL",
        "foreign records numbers bands limits files analysis images models store",
        inside="torch",
        inside_house="capture cost inventory attribution",
    ),
    "interventions": door(
        "numpy torch", "foreign records numbers limits files analysis capture observe", inside="safetensors"
    ),
    "jobs": door("", "records numbers"),
    "survey": door(
        "numpy",
        "foreign records numbers limits files process images labels models analysis",
        inside="torch pyarrow ray",
        inside_house="capture",
    ),
    "changes": door("numpy PIL", "records"),
    "figure_files": door("", "records"),
    "comparison": door(
        "numpy", "records numbers labels models analysis observe", inside="torch", inside_house="attribution"
    ),
    "many": door("numpy", "records numbers files images analysis observe interventions survey comparison"),
    "charts": door(
        "numpy plotly PIL", "records numbers foreign grouped analysis observe comparison survey", inside="matplotlib"
    ),
    "serving": door(
        "click", "foreign records bands limits devices images analysis models figure_files", inside="torch streamlit"
    ),
    "views": door("", "records"),
    "report": door(
        "numpy plotly PIL",
        "records numbers foreign images models analysis observe survey figure_files charts",
        inside="jinja2",
    ),
    "ui": door(
        "streamlit numpy PIL plotly",
        "records numbers bands foreign limits images models inventory grouped charts analysis changes store observe "
        "comparison serving labels interventions jobs survey views report many process figure_files terms",
        inside="torch",
        inside_house="layers capture attribution",
    ),
    "training": door("click numpy torch PIL", "records files images networks models cost"),
    "distillation": door("click numpy torch", "records images networks models cost training"),
    "evaluation": door("numpy", "records numbers files models survey"),
    "cli": door(
        "click numpy",
        "foreign records numbers bands files process devices images analysis models charts store interventions observe "
        "serving survey report many",
        inside="torch",
        inside_house="attribution comparison training distillation evaluation",
    ),
    "__main__": door("", "cli", inside="click", inside_house="foreign records"),
    "": door(inside="torch", inside_house="serving"),
}
ROUTER = door("streamlit", "ui")
PAGE = door("streamlit", "ui analysis charts grouped", inside_house="layers")
HEAVY = {"torch", "torchvision", "timm", "pytorchcv", "captum", "pandas", "matplotlib", "streamlit"}
HEAVY |= {"pyarrow", "ray", "jinja2"}


class Import(NamedTuple):
    """One imported thing: `attention.<room>`, or the top-level package of anything else."""

    name: str
    top: bool
    line: int


def imports(path: Path) -> list[Import]:
    """What a file imports of the house and of third parties, in other rooms than its own."""
    tree = ast.parse(read(path))
    found = [
        Import(name, top, node.lineno) for node, top in import_statements(tree) for name in map(door_of, names(node))
    ]
    own = f"attention.{room_of(path)}" if path.is_relative_to(ROOT / "attention") else None
    return [each for each in found if each.name not in (own, *sys.stdlib_module_names)]


def import_statements(node: ast.AST, top: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Each import statement, and whether it runs when the file is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, top
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from import_statements(child, top and not deferred and not typing_only)


def names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The dotted names that a statement imports; `from a import b` may mean a module a.b, and is read so."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert not node.level, f"line {node.lineno}: a relative import hides which room it enters"
    return [f"{node.module}.{alias.name}" for alias in node.names]


def door_of(name: str) -> str:
    first, *rest = name.split(".")
    return ".".join([first, *rest[:1]]) if first == "attention" else first


def room_of(path: Path) -> str:
    """The room of a file of the package: its module, or the folder that it lies in; "" is `attention/__init__.py`."""
    first = path.relative_to(ROOT / "attention").parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_room_imports_only_what_its_door_lets_in():
    package = [path for path in CODE if path.is_relative_to(ROOT / "attention")]
    assert {room_of(path) for path in package} == set(ROOMS)
    assert [each for path in package for each in forbidden_imports(path, ROOMS[room_of(path)])] == []


def test_the_package_names_its_rooms_in_their_order():
    listed = re.findall(r"^(\w+) {2,}\S", read(ROOT / "attention" / "__init__.py"), re.MULTILINE)
    assert listed == [room for room in ROOMS if room]


def test_pages_and_the_router_import_only_what_they_show():
    assert forbidden_imports(ROOT / "app.py", ROUTER) == []
    assert [each for path in PAGES for each in forbidden_imports(path, PAGE)] == []


def forbidden_imports(path: Path, door: Door) -> list[str]:
    open_to_all = {"attention.kinds"}  # words and axes, without an import of its own
    return [
        f"{relative(path)}:{each.line}: {each.name}{' at the top' * each.top}"
        for each in imports(path)
        if each.name not in (door.top if each.top else door.top | door.inside) | open_to_all
    ]


def test_what_the_doors_let_in_is_installed_by_the_requirements():
    wanted = {name for door in ROOMS.values() for name in door.top | door.inside if "." not in name}
    files = (ROOT / "requirements.txt", ROOT / "requirements-ray.txt")
    installed = {name for file in files for name in re.findall(r"^[\w-]+", read(file), re.MULTILINE)}
    assert {{"PIL": "pillow", "pillow_heif": "pillow-heif"}.get(name, name) for name in wanted} <= installed


def test_data_flows_one_way():
    order = [f"attention.{room}" for room in ROOMS]
    for number, (room, door) in enumerate(ROOMS.items()):
        below = {name for name in door.top | door.inside if name in order[number:]}
        assert not below, f"{room} may import {below}, which stand below it"


LIGHT: dict[frozenset[str], list[str]] = {
    frozenset(): [
        "attention",
        "attention.records",
        "attention.process",
        "attention.images",
        "attention.analysis.predictions",
        "attention.analysis",
        "attention.analysis.agreement",
        "attention.analysis.faithfulness",
        "attention.changes",
        "attention.comparison",
        "attention.grouped.papers",
        "attention.interventions",
        "attention.labels",
        "attention.inventory",
        *(f"attention.models.{name}" for name in ("zoo", "own", "libraries", "downloads", "weight_files", "code")),
        "attention.survey",
        "attention.jobs",
        "attention.report",
        "attention.views",
        "attention.serving",
        *(f"attention.charts.{path.stem}" for path in sorted((ROOT / "attention/charts").glob("[!_]*.py"))),
    ],
    frozenset({"torch"}): ["attention.models.checkpoints", "attention.models.recognise"],
    frozenset({"streamlit"}): ["attention.ui"],
}
"""Rooms by what of the heavy they may load."""


@pytest.mark.parametrize("may_load", LIGHT, ids=lambda names: " ".join(names) or "nothing")
def test_light_rooms_load_nothing_heavy(may_load):
    """All at once: what any of them loads is loaded then."""
    rooms = LIGHT[may_load]
    heavy = loaded_by(f"import {', '.join(rooms)}") & HEAVY - may_load
    assert not heavy, {room: loaded_by(f"import {room}") & heavy for room in rooms}


def test_names_and_cards_on_offer_are_read_without_torch_and_without_their_libraries():
    read_all = "for name in zoo.names(): zoo.card(name), zoo.here(name)"
    assert not loaded_by(f"from attention.models import zoo\n{read_all}") & HEAVY


def test_the_frame_is_painted_before_torch_is_imported():
    statements = {
        ast.unparse(node)
        for path in (ROOT / "app.py", *PAGES)
        for node, top in import_statements(ast.parse(read(path)))
        if top
    }
    assert not loaded_by("\n".join(sorted(statements))) & {"torch", "torchvision", "captum"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    code += "\nimport sys\nprint(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_first_thing_a_page_does_is_to_open_itself_through_ui():
    for path in PAGES:
        body = ast.parse(read(path)).body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]  # the docstring
        first = next(node for node in body if not isinstance(node, ast.Import | ast.ImportFrom))
        assert "ui.open_page()" in ast.unparse(first), f"{relative(path)}:{first.lineno}"


def test_files_and_functions_stay_small():
    long = [f"{relative(path)} has {read(path).count(chr(10))} lines" for path in CODE if read(path).count("\n") > 500]
    long += [
        f"{relative(path)}:{node.lineno}: {node.name} is longer than 50 lines"
        for path in CODE
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50
    ]
    assert long == []


def test_a_class_has_a_name_of_its_own():
    """But for the published code, whose names are those of its authors."""
    paths = [path for path in (ROOT / "attention").rglob("*.py") if path.name != "published.py"]
    named = Counter(
        node.name.lstrip("_")
        for path in paths
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in named.items() if count > 1] == []


GROWING = {"Layers", "History", "Recorder", "Run", "Means", "Moments", "Partial", "TopK", "Standin"}
"""Records that are filled bit by bit; no other one changes once it is made."""
ARRAYS = {"Floats", "Doubles", "Integers", "NDArray", "Tensor", "Columns", "Item", "Given"}
WITHOUT_EQUALITY = ARRAYS | {"dict", "list", "Mapping"}
ONE_OF_A_KIND = {"PlanTensor", "Standin"}
"""Records of plain values that are told apart by which one they are."""


def test_a_record_stays_as_it_was_made_and_is_compared_only_where_all_in_it_can_be():
    """Arrays have no equality that is true or false, and a dictionary has no hash."""
    made: dict[str, tuple[dict[str, bool], set[str]]] = {}
    for path in (ROOT / "attention").rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.ClassDef) and (how := dataclass_settings(node)) is not None:
                fields = " ".join(ast.unparse(each.annotation) for each in node.body if isinstance(each, ast.AnnAssign))
                made[node.name] = how, set(re.findall(r"\w+", fields))
    assert {name for name, (how, _) in made.items() if not how.get("frozen")} == GROWING
    alone = {name for name, (how, _) in made.items() if how.get("eq") is False}
    uncomparable = {name for name, (_, held) in made.items() if held & (WITHOUT_EQUALITY | alone)}
    assert alone - GROWING == (uncomparable | ONE_OF_A_KIND) - GROWING


def dataclass_settings(node: ast.ClassDef) -> dict[str, bool] | None:
    """The settings of a class's decorator; None where it is no dataclass."""
    for each in node.decorator_list:
        call = each if isinstance(each, ast.Call) else None
        if ast.unparse(call.func if call else each) == "dataclass":
            return {word.arg: ast.literal_eval(word.value) for word in call.keywords} if call else {}
    return None


UNWANTED = {
    "an absolute path of one machine": r"(?<![\w./-])/(?:home|root|work|opt|mnt|Users)/",
    "an unfinished thought": r"\b(?:TODO|FIXME|XXX)\b",
    "an option that streamlit has dropped": r"use_container_width|use_column_width|components\.v1",
    "HTML that streamlit does not check": r"unsafe_allow_html",
    "a filled button, whose white label is too pale on the dark theme": r"type=\"primary\"",
    "a docstring that is no sentence": r"\"\"\"Of ",
    "a package index of one place": r"--(?:extra-)?index-url|--find-links",
}


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_holds(what):
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(read(path).splitlines(), start=1)
        if re.search(UNWANTED[what], line)
    ]
    assert found == []


def texts() -> list[Path]:
    """The repository's text files, but for this one, which has to name what it looks for."""
    folders = [ROOT / name for name in (*FOLDERS, "docs", ".ci")]
    inside = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files = [path for path in [*ROOT.iterdir(), *inside, ROOT / ".streamlit" / "config.toml"] if path.is_file()]
    kinds = {".py", ".md", ".toml", ".txt", ".json", ""}
    return [path for path in files if path.suffix in kinds and path not in (Path(__file__), ROOT / ".git")]
