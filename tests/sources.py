"""The project's own Python files, for the tests that read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("poster", "eval", "leaderboard", "space")  # a package imports only from those before it
NOT_OURS = {".venv", ".git", "artifacts", "runs", "data", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", ".gradio"}


def files(*suffixes: str) -> list[Path]:
    """Every file of the project with one of these suffixes (all when none is given), without what git ignores."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and (path.name not in NOT_OURS or (path.name == "data" and folder != ROOT)):
                yield from walk(path)
            elif path.is_file() and (not suffixes or path.suffix in suffixes):
                yield path

    return list(walk(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(module: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """(line, module, whether it runs at import) of every import; `from a import b` counts as a.b. What only type checkers see is left out."""

    def visit(node: ast.AST, at_import: bool) -> Iterator[tuple[int, str, bool]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}", at_import) for alias in node.names)
        inside = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from visit(child, inside)

    yield from visit(module, True)
