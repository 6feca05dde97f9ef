"""What the house promises of itself: light imports, faces that ask, examples for all, tested bounds."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement

import custrel
from custrel.stats import Family

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {"lifetimes", "matplotlib", "pandas", "scipy.stats", "sklearn"}
ENGINES = {"dask", "duckdb", "ibis", "polars", "pyarrow", "pyspark"}
# Put together here, so that this file does not hold what it forbids.
REGISTRIES = {
    f"{name}.{top}"
    for top, names in {
        "com": "yarnpkg",
        "io": "crates",
        "org": "pypi pythonhosted npmjs anaconda deb.debian proxy.golang repo1.maven maven.apache",
    }.items()
    for name in names.split()
}
MADE = {"__pycache__", "_build", "build", "dist", "htmlcov", "jupyter_execute"}


def modules():
    """Every module of the package, the face first; __main__ is read, not run."""
    names = [custrel.__name__, *(found.name for found in pkgutil.walk_packages(custrel.__path__, "custrel."))]
    return [importlib.import_module(name) for name in names]


def faces():
    return [module for module in modules() if hasattr(module, "__path__")]


def public():
    """(dotted name, thing) for every class and function on a face."""
    named = [(f"{face.__name__}.{name}", getattr(face, name)) for face in faces() for name in face.__all__]
    return [(name, thing) for name, thing in named if inspect.isclass(thing) or inspect.isroutine(thing)]


def as_ruff_sorts(name):
    """RUF022: what is all capitals first, then capitalised names, then the others."""
    return (not name.isupper(), not name[0].isupper(), name)


def files():
    """Every file a commit may hold: none of what tools make, or keep out of sight."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not (name in MADE or name.startswith("."))]
        yield from (Path(folder, name) for name in names)


def lower_bounds():
    """{distribution: the version it may not be older than}, of the core and of every extra but `test`."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    lists = [PYPROJECT["project"]["dependencies"], *(extras[name] for name in extras if name != "test")]
    needs = [need for need in map(Requirement, chain(*lists)) if need.name != "custrel"]
    assert all([bound.operator for bound in need.specifier] == [">="] for need in needs)
    return {need.name: next(iter(need.specifier)).version for need in needs}


def pins():
    lines = (ROOT / "constraints" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_importing_custrel_leaves_the_heavy_libraries_alone():
    asked = f"import sys, custrel; print(*sorted({HEAVY | ENGINES!r} & set(sys.modules)))"
    done = run(sys.executable, "-c", asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_module_says_what_it_is():
    assert [] == [module.__name__ for module in modules() if not (module.__doc__ or "").strip()]


def test_every_room_begins_with_the_question_it_answers():
    rooms = [face for face in faces() if face is not custrel]
    assert [] == [room.__name__ for room in rooms if not (room.__doc__ or "?!").splitlines()[0].endswith("?")]


def test_every_face_lists_its_names_sorted():
    assert {face.__name__: sorted(face.__all__, key=as_ruff_sorts) for face in faces()} == {
        face.__name__: list(face.__all__) for face in faces()
    }


def test_every_name_on_a_face_exists():
    named = [(face, name) for face in faces() for name in face.__all__]
    assert [] == [f"{face.__name__}.{name}" for face, name in named if not hasattr(face, name)]


def test_every_public_name_shows_an_example():
    assert [] == [name for name, thing in public() if ">>>" not in (thing.__doc__ or "")]


def test_the_import_contracts_are_kept():
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_law_is_under_the_contract_that_equations_know_numbers_only():
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (equations,) = [contract for contract in contracts if contract["name"] == "Equations know numbers only"]
    laws = {thing.__module__ for _, thing in public() if inspect.isclass(thing) and issubclass(thing, Family)}
    outside = {law for law in laws if not law.startswith("custrel.stats.")}
    assert set() == outside - set(equations["source_modules"])


def test_the_oldest_environment_pins_exactly_the_lower_bounds():
    assert lower_bounds() == pins()


def test_no_file_names_a_package_registry():
    named = [(path, host) for path in files() for host in REGISTRIES if host.encode() in path.read_bytes()]
    assert [] == named
