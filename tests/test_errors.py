"""Errors: a tree, and messages that help."""

import inspect
import re

import pytest

from custrel import errors
from custrel.errors import (
    AssumptionWarning,
    ConvergenceError,
    CustrelError,
    DomainError,
    MissingExtraError,
    NotFittedError,
    PromiseError,
    SchemaError,
    nearest,
    need,
    one_of,
)

OURS = [thing for _, thing in inspect.getmembers(errors, inspect.isclass) if thing.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = set(re.findall(r"([A-Z]\w+(?:Error|Warning))\b(?= |$)", errors.__doc__, flags=re.MULTILINE))
    assert {thing.__name__ for thing in OURS} == drawn
    assert sorted(drawn) == errors.__all__


def test_every_error_is_ours():
    assert [] == [thing for thing in OURS if not issubclass(thing, (CustrelError, AssumptionWarning))]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SchemaError, ValueError),
        (PromiseError, ValueError),
        (DomainError, ValueError),
        (ConvergenceError, RuntimeError),
        (NotFittedError, ValueError),
        (NotFittedError, AttributeError),
        (MissingExtraError, ImportError),
        (AssumptionWarning, UserWarning),
    ],
)
def test_who_knows_python_knows_them(ours, theirs):
    assert issubclass(ours, theirs)


def test_errors_carry_what_was_found():
    assert PromiseError("no ids", audit="counts").audit == "counts"
    assert ConvergenceError("no peak", diagnosis="why").diagnosis == "why"
    assert str(PromiseError("no ids", audit="counts")) == "no ids"


@pytest.mark.parametrize(
    ("name", "choices", "hint"),
    [
        ("custmer_id", ["customer_id", "date"], "; did you mean 'customer_id'?"),
        ("CUSTOMER_ID", ["customer_id"], "; did you mean 'customer_id'?"),
        ("xyz", ["customer_id", "date"], ""),
        (None, ["customer_id"], ""),
        ("a", [], ""),
        (3, [3, 4], "; did you mean '3'?"),
    ],
)
def test_the_nearest_name_is_hinted_at(name, choices, hint):
    assert hint == nearest(name, choices)


def test_one_of_lets_choices_pass_and_lists_them_otherwise():
    one_of("unit", "week", ["day", "week"])
    with pytest.raises(DomainError, match=re.escape("unit must be one of 'day', 'week', got 'year'")):
        one_of("unit", "year", ["day", "week"])
    with pytest.raises(DomainError, match=re.escape("got None")):
        one_of("unit", None, ["day", "week"])


def test_need_brings_what_is_there_and_names_the_extra_for_what_is_not():
    assert need("json", extra="plot").dumps([]) == "[]"
    with pytest.raises(MissingExtraError, match=r"'no_such_module'.*pip install \"custrel\[plot\]\""):
        need("no_such_module", extra="plot")
