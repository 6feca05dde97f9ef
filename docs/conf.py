"""How the documentation is built: from these pages and from each room's face, with no network."""

import ast
import shutil
from pathlib import Path

import custrel

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "custrel"

project = "custrel"
author = "custrel developers"
project_copyright = "2026, custrel developers"
version = release = custrel.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
nitpicky = False  # other libraries' names resolve only through their inventories, which need a network

html_theme = "pydata_sphinx_theme"
html_title = "custrel"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "auto"  # a notebook saved without its pictures is executed to have them
nb_execution_raise_on_error = True
nb_execution_timeout = 600

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's Parameters sections say it
autosummary_generate = True
numpydoc_show_class_members = False  # docs/_templates/autosummary/class.rst lists them


def question_and_names(face: Path) -> tuple[str, list[str]]:
    """Read the first docstring line and `__all__` off a face, without importing it."""
    tree = ast.parse(face.read_text(encoding="utf-8"))
    question = (ast.get_docstring(tree) or "").partition("\n")[0]
    named = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    ]
    return question, [name for names in named for name in names if not name.startswith("__")]


def page(room: str, face: Path) -> str:
    """One page of the API: the question a room answers, and a row for each name on its face."""
    question, names = question_and_names(face)
    rows = "\n".join(f"   {name}" for name in names)
    table = f".. currentmodule:: {room}\n\n.. autosummary::\n   :toctree: generated\n\n{rows}"
    return f"# {room}\n\n{question}\n\n```{{eval-rst}}\n{table}\n```\n"


pages = HERE / "api"
pages.mkdir(exist_ok=True)
for face in sorted(SOURCE.glob("**/__init__.py")):
    room = ".".join(face.parent.relative_to(SOURCE.parent).parts)
    if question_and_names(face)[1]:
        (pages / f"{room}.md").write_text(page(room, face), encoding="utf-8")

# Sphinx reads nothing outside this directory, so the notebooks are brought in.
(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
    shutil.copy(notebook, HERE / "notebooks")
