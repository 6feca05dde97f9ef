"""Every task of the house: `nox --list` names them, `nox -s NAME` runs one, as .ci/run does."""

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "types", "contracts", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = False  # .ci/run calls the tools of one environment, without nox's own

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """Requirements of a dependency group, for a pip too old to know groups."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def tests(session: nox.Session) -> None:
    """Every test and doctest, slow ones too, warnings as errors, branch coverage held at its floor."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-m", "", "--cov", *session.posargs)


@nox.session
def oldest(session: nox.Session) -> None:
    """The quick tests at the lower bound of every dependency (pandas 2 among them)."""
    # Doctests show what the newest libraries print, so tests/ alone runs here; and what is held against mpmath's digits
    # or against simulations is held against them once, with the newest.
    session.install("-c", "constraints/oldest.txt", "-e", ".[test]")
    once = ["-k", "not digits and not simulat and not futures"]
    session.run("python", "-m", "pytest", *once, *(session.posargs or ["tests"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and form (ruff), and that the changelog's fragments read as one."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("towncrier", "build", "--draft", "--version", "next")


@nox.session
def types(session: nox.Session) -> None:
    """Types of src/, strictly (mypy)."""
    session.install("-e", ".[all]", *group("types"))
    session.run("mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """Which module may import which (import-linter)."""
    session.install("-e", ".", *group("lint"))
    session.run("lint-imports", "--no-cache")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, warnings as errors, into docs/_build/html."""
    session.install("-e", ".[plot]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def notebooks(session: nox.Session) -> None:
    """Every notebook, executed from its first cell to its last."""
    session.install("-e", ".[test]", *group("notebooks"))
    session.run("python", "-m", "pytest", "--nbmake", "--nbmake-timeout=600", "notebooks", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Cost beside our peers, printed as ratios; minutes, not seconds, and never in .ci/run."""
    session.install("-e", ".[test]", *group("peers"))
    for script in session.posargs or ("fit_laws", "lifetime_values", "passes", "log_to_history"):
        session.run("python", f"benchmarks/{script}.py")
