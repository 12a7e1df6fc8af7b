"""The rules of docs/architecture.md: what a folder may import, what belongs into it, and how full it may be."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pipelines

ROOT = Path(__file__).parent.parent
TOP_FOLDERS = ("server", "pipelines", "models")
HEAVY = ("torch", "diffusers", "transformers", "scipy")
MOST_FILES = 20

# Each line may import the lines below it, never its own line or a line above.
LAYERS = {
    "models": (
        ("models.registry", "models.toy"),
        ("models.diffusion",),
        ("models.adapters",),
        ("models.compiled",),
        ("models.patches", "models.vision", "models.language"),
        ("models.weights", "models.loaded_model", "models.finite"),
        ("models.catalog",),
        ("models.loading",),
        ("models.kinds", "models.imaging", "models.conditioning", "models.noise"),
        ("models.files",),
        (
            *("models.atomic_write", "models.host_memory", "models.plain_files", "models.pydantic_errors"),
            *("models.suggestions", "models.yaml_lines"),
        ),
        ("models.device_faults",),
    ),
    "pipelines": (
        ("pipelines",),
        ("pipelines.compositions",),
        ("pipelines.engine", "TASK TYPES", "pipelines.cv"),
        ("pipelines.recipes",),
        ("pipelines.params",),
        ("pipelines.pipeline",),
        ("pipelines.sampler_names", "pipelines.synonyms", "pipelines.unsupported"),
    ),
    "server": (
        ("server.__main__",),
        ("server.commands", "server.roles"),
        ("server.start",),
        ("server.api", "server.controller", "server.worker"),
        ("server.tasks",),
        ("server.services",),
        ("server.audit",),
        ("server.prompts", "server.tools"),
        ("server.llm",),
        ("server.broker",),
        ("server.tenancy",),
        ("server.storage", "server.images"),
        ("server.queue",),
        ("server.process",),
        ("server.observability",),
        ("server.settings",),
        ("server.egress", "server.task"),
    ),
}


def module_name(file: Path) -> str:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = [file for top in TOP_FOLDERS for file in sorted((ROOT / top).rglob("*.py"))]
MODULES = {module_name(file): file for file in FILES}


def imports_of(file: Path, *, typing: bool) -> set[str]:
    """The modules that a file imports, at the top or inside functions; `typing`: those under TYPE_CHECKING as well."""
    tree = ast.parse(file.read_text())
    hidden: set[int] = set()
    if not typing:
        blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
        guarded = (block for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING")
        hidden = {id(node) for block in guarded for node in ast.walk(block)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (inner & set(MODULES)) | ({node.module} if inner - set(MODULES) else set())
    return names


@pytest.mark.parametrize(("top", "forbidden"), [("models", ("server", "pipelines")), ("pipelines", ("server",))])
def test_top_folders_import_one_way(top: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / top).rglob("*.py")
        for name in imports_of(file, typing=False)
        if name.split(".")[0] in forbidden
    ]
    assert not wrong


def layer_of(module: str, top: str) -> int:
    """The line of LAYERS that a module belongs to."""
    folder = ".".join(module.split(".")[:2])
    if folder in _task_types():
        folder = "TASK TYPES"
    found = [number for number, folders in enumerate(LAYERS[top]) if folder in folders]
    assert found, f"{module}: name {folder} in LAYERS of {__file__}"
    return found[0]


def _task_types() -> set[str]:
    return {type(pipeline).__module__ for pipeline in pipelines.every()} - {"pipelines.cv"}


@pytest.mark.parametrize("top", TOP_FOLDERS)
def test_folders_import_lower_layers_only(top: str) -> None:
    wrong = []
    for module, file in MODULES.items():
        if module.split(".")[0] != top or module == "models":
            continue
        for name in imports_of(file, typing=False):
            same_folder = name.split(".")[:2] == module.split(".")[:2]
            if name.split(".")[0] != top or name == top or same_folder:
                continue
            if layer_of(module, top) >= layer_of(name, top):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {module: (imports_of(file, typing=True) & set(MODULES)) - {module} for module, file in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_no_folder_has_too_many_files() -> None:
    folders = {file.parent for file in FILES} - {ROOT / "pipelines"}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_only_task_types_are_at_the_root_of_pipelines() -> None:
    present = {module_name(file) for file in (ROOT / "pipelines").glob("*.py")} - {"pipelines"}
    contract = {"pipelines.pipeline", "pipelines.sampler_names", "pipelines.synonyms", "pipelines.unsupported"}
    assert present - contract <= _task_types()


def test_only_what_composes_is_at_the_root_of_server() -> None:
    present = {file.stem for file in (ROOT / "server").glob("*.py")}
    assert present == {"__init__", "__main__", "llm", "roles", "services", "task"}


@pytest.mark.parametrize(
    "module",
    [
        "server.api.app",
        "server.worker.worker",
        "server.controller",
        "server.roles",
        "server.commands.bench.run",
        "server.commands.preflight",
        "pipelines",
        "models.catalog",
    ],
)
def test_parents_do_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "module",
    [
        "server.broker.kafka.broker",
        "server.broker.sqlite.broker",
        "server.queue.redis.queue",
        "server.queue.memory.queue",
        "server.storage.s3",
    ],
)
def test_only_services_picks_implementations(module: str) -> None:
    importers = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "server").rglob("*.py")
        if module in imports_of(file, typing=False)
    ]
    assert importers == ["server/services.py"]


NEVER_A_TASK = {
    "DuplicateFamilyError": "two declarations of the program clash",
    "PackageError": "the package is not used, and the steps run without it",
    "InTrialError": "the package is not used, and the steps run without it",
    "CompilingError": "the steps run as they are",
    "MustBeMergedError": "the LoRA is merged into the weights",
    "UnsupportedModelError": "read_net turns it into a NetError",
    "KeyError": "a caller inside the program asked for what it did not load",
    "OSError": "what reads files turns it into an error of its own, or into a problem of the catalog",
    "PydanticCustomError": "pydantic turns it into a ValidationError",
}
"""Exceptions of models/ that no task ends with, or only by a fault of the program, and why."""


def test_every_exception_of_models_has_an_error_code() -> None:
    """What ends a task is `internal` without a `code`, and blames the program for a file of the operator's."""
    trees = {file: ast.parse(file.read_text()) for file in FILES if file.relative_to(ROOT).parts[0] == "models"}
    classes = {node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    raised = [
        (node.exc.func if isinstance(node.exc, ast.Call) else node.exc, file.relative_to(ROOT), node)
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    ]
    wrong = [
        f"{file}:{node.lineno} raises {ast.unparse(name)}, which has no `code`"
        for name, file, node in raised
        if ast.unparse(name) not in NEVER_A_TASK
        and "this is a bug" not in ast.unparse(node)
        and not _has_code(ast.unparse(name), classes)
    ]
    assert not wrong


def _has_code(name: str, classes: dict[str, ast.ClassDef]) -> bool:
    node = classes.get(name)
    if node is None:
        return False
    set_here = any(
        isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) in ("code", "self.code")
        for child in ast.walk(node)
    )
    return set_here or any(_has_code(ast.unparse(base), classes) for base in node.bases)
