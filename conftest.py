"""Examples in the Markdown pages run as tests, and print as on a terminal of 80 columns wherever they run."""

import os
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

collect_ignore = ["docs/conf.py"]  # Sphinx reads it; the tests do without Sphinx

os.environ["COLUMNS"] = "80"
os.environ["LINES"] = "24"
os.environ.setdefault("MPLBACKEND", "Agg")

pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE),
        SkipParser(),
    ],
    patterns=["*.md"],
    excludes=["docs/_build/**", "docs/api/**", "changelog.d/**"],
).pytest()
