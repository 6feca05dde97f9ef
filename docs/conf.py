"""How the documentation is built: from these pages and from each room's face, with no network."""

import importlib
import inspect
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx

import custrel

HERE = Path(__file__).parent

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
exclude_patterns = ["_build", "_templates"]
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


def faces() -> Iterator[ModuleType]:
    """Every package, the outermost first."""
    yield custrel
    for found in pkgutil.walk_packages(custrel.__path__, "custrel."):
        if found.ispkg:
            yield importlib.import_module(found.name)


def page(face: ModuleType, names: list[str]) -> str:
    """One page of the API: the question a room answers, and a row for each name on its face."""
    question = str(face.__doc__).partition("\n")[0]
    rows = "\n".join(f"   {name}" for name in names)
    table = f".. currentmodule:: {face.__name__}\n\n.. autosummary::\n   :toctree: generated\n\n{rows}"
    return f"# {face.__name__}\n\n{question}\n\n```{{eval-rst}}\n{table}\n```\n"


def write_pages(folder: Path) -> None:
    """A page for each face; what stands on two faces is described on the outer one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    described: set[int] = set()
    for face in faces():
        things = {name: getattr(face, name) for name in face.__all__}
        new = [
            name
            for name, thing in things.items()
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and id(thing) not in described
        ]
        if new:
            (folder / f"{face.__name__}.md").write_text(page(face, new), encoding="utf-8")
        described |= {id(things[name]) for name in new}


def bring_notebooks(folder: Path) -> None:
    """Sphinx reads nothing outside its own folder, so copies of the notebooks are put there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, folder)


def cite_the_class(_app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Read "(6) of [1]_" in a method as its class's reference, on the same page; first lines enter tables."""
    own = any(line.lstrip().startswith(".. [") for line in lines)
    for at in range(min(1, len(lines)) if own else len(lines)):
        lines[at] = re.sub(r"(\[\d+\])_", r"\1", lines[at])


def setup(app: Sphinx) -> None:
    """Make the pages that are made, and read docstrings before numpydoc does."""
    write_pages(HERE / "api")
    bring_notebooks(HERE / "notebooks")
    app.connect("autodoc-process-docstring", cite_the_class, priority=100)
