"""Row 12: nothing in the tree may load what it should not; every rule is first shown to bite."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the attacks must bite: a careless reader of checkpoints, and one line that shows a pair set's payload to be real.
CARELESS = {"tests/attacks/naive.py": {"torch.load", "pickle.load"}, "tests/eval/test_verification.py": {"pickle.loads"}}

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "os.system", "os.popen", "pandas.read_pickle", "pd.read_pickle", "torch.jit.load", "torch.hub.load",
    "torch.package.PackageImporter", "torch.serialization.add_safe_globals", "subprocess.getoutput", "subprocess.getstatusoutput",
    "yaml.load", "yaml.unsafe_load", "runpy.run_path",
}  # fmt: skip


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_true(call: ast.Call, name: str) -> bool:
    return any(word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is True for word in call.keywords)


def offences(source: str) -> Iterator[tuple[str, int]]:
    """(what, line) for everything in ``source`` that could run or unpickle data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (("import pickle", node.lineno) for module in modules if module.partition(".")[0] in FORBIDDEN_MODULES)
            if isinstance(node, ast.ImportFrom) and node.module in ("torch", "os") and {alias.name for alias in node.names} & {"load", "system", "popen"}:
                yield "torch.load", node.lineno
        if not isinstance(node, ast.Call):
            continue
        called, words = dotted(node.func), {word.arg for word in node.keywords}
        if called == "torch.load" and not is_true(node, "weights_only"):
            yield "torch.load", node.lineno
        if called in FORBIDDEN_CALLS or (called.partition(".")[0] in FORBIDDEN_MODULES and not called.endswith((".dump", ".dumps"))):
            yield called, node.lineno
        if "pickle_module" in words or (is_true(node, "allow_pickle") and not called.endswith(".save")) or is_true(node, "trust_remote_code"):
            yield "pickle", node.lineno
        if is_true(node, "shell"):
            yield "shell", node.lineno


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "torch.load('x', weights_only=False)",
        "torch.load('x', weights_only=flag)",
        "torch.load('x', weights_only=True, pickle_module=p)",
        "from torch import load",
        "import pickle",
        "pickle.loads(data)",
        "dill.Unpickler(file)",
        "from pickle import loads",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "torch.jit.load('x')",
        "load_dataset('x', trust_remote_code=True)",
        "pd.read_pickle('x')",
    ],
)
def test_the_rule_bites(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source", ["torch.load('x', map_location=place, weights_only=True, mmap=True)", "model.eval()", "subprocess.run(['ls'])", "np.load('x')", "pickle.dumps(x)"]
)
def test_the_rule_lets_honest_code_through(source: str) -> None:
    assert not list(offences(source))


def test_row_12_nothing_in_the_tree_unpickles_or_runs_data() -> None:
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name not in ("artifacts", "runs", "data")]
    files = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    assert any(path.name == "_reader.py" for path in files) and len(files) > 20
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        harmless = {"import pickle"} if name.startswith("tests/") else set()  # tests may write pickles; reading one is found by the call
        found += [f"{name}:{line}: {what}" for what, line in offences(path.read_text()) if what not in harmless | CARELESS.get(name, set())]
    assert not found, "\n".join(found)
