"""The source of a predict.py that needs numpy, Pillow and onnxruntime alone."""

import ast
import re
import sys
from collections.abc import Sequence
from importlib.resources import files

# In this order: each uses only names of those before it.
MODULES = ("errors", "inputs", "pixels.ink", "pixels.decoding", "images.standalone")
HEADER = '''#!/usr/bin/env python3
"""Says what is on images, with the ONNX model in this folder.

    python predict.py IMAGES... [--top K] [--format table|csv|jsonl]

IMAGES are files, folders, patterns such as 'photos/**/*.jpg', or - for standard input. Needs
Python 3.11 or newer with numpy, Pillow and onnxruntime; neither PyTorch nor fivestep. Reads
manifest.json and the model beside it. Images are read by the same code as in training.

Made by fivestep; the code is licensed under Apache-2.0.
"""

import sys
from importlib.util import find_spec  # what is missing is told before anything is imported

if sys.version_info < (3, 11):
    print("error: predict.py needs Python 3.11 or newer", file=sys.stderr)
    sys.exit(2)
_needed = {"numpy": "numpy", "PIL": "pillow", "onnxruntime": "onnxruntime"}
_missing = " ".join(name for module, name in _needed.items() if find_spec(module) is None)
if _missing:
    print(f"error: not installed: {_missing}; pip install {_missing}", file=sys.stderr)
    sys.exit(2)
'''


def script(modules: Sequence[str] = MODULES) -> str:
    """Return one file out of modules of this package, each as it is but for imports of ours.

    So what it computes is what is computed here. Imports stand together at the top.
    """
    imports: dict[str, set[str]] = {}
    bodies = []
    for name in modules:
        source = files("data").joinpath(f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        tree, lines = ast.parse(source), source.splitlines()
        # From the end on, since a line that is replaced moves those after it.
        for node in reversed(tree.body):
            place = slice(node.lineno - 1, node.end_lineno)
            if isinstance(node, ast.Import | ast.ImportFrom):
                lines[place] = []
                _collect(node, imports)
        introduction = [f"# {line}".rstrip() for line in str(ast.get_docstring(tree)).splitlines()]
        lines[: tree.body[0].end_lineno] = introduction
        bodies.append("\n".join(lines).replace("\n\n\n\n", "\n\n").strip())
    return "\n\n\n".join([f"{HEADER}\n{_imports(imports)}", *bodies]) + "\n"


def _collect(node: ast.Import | ast.ImportFrom, found: dict[str, set[str]]) -> None:
    """Add what a statement imports to what others import: names by their module."""
    names = {ast.unparse(alias) for alias in node.names}
    if isinstance(node, ast.Import):
        found.setdefault("", set()).update(names)
    elif str(node.module).split(".")[0] != "data":
        found.setdefault(str(node.module), set()).update(names)


def _imports(found: dict[str, set[str]]) -> str:
    """Return import statements, those of the standard library first."""
    plain = sorted(f"import {name}" for name in found.get("", set()) - {"sys"})
    named = [
        f"from {module} import {', '.join(sorted(found[module]))}"
        for module in sorted(found)
        if module
    ]
    lines = [*plain, *named]
    own = [line for line in lines if re.split(r"[ .]", line)[1] in sys.stdlib_module_names]
    return "\n".join([*own, "", *(line for line in lines if line not in own)])
