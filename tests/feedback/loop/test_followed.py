"""What was followed by what, customer by customer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel.errors import SchemaError
from custrel.feedback.loop.events import coded
from custrel.feedback.loop.followed import NEVER, earliest_after, grouped, medians, units_of

moments = st.integers(-5, 40)
rows = st.lists(st.tuples(st.integers(-1, 4), moments), max_size=12)
spans = st.lists(st.tuples(st.integers(0, 4), moments, st.integers(0, 30)), max_size=12)
quietly = settings(deadline=None, derandomize=True, database=None)


def columns(table, count):
    return [np.array(column, dtype=np.int64) for column in zip(*table, strict=True)] or [
        np.zeros(0, dtype=np.int64)
    ] * count


@quietly
@given(rows, spans)
def test_the_earliest_end_is_that_of_a_search_one_by_one(asked, events):
    who, when = columns(asked, 2)
    of, begun, lasting = columns(events, 3)
    found = earliest_after(who, when, of, begun, begun + lasting)
    for customer, moment, actual in zip(who, when, found, strict=True):
        later = (of == customer) & (begun > moment)
        assert min((begun + lasting)[later], default=NEVER) == actual


def test_a_century_of_microseconds_and_a_million_customers_do_not_overflow():
    century = 100 * 365 * 86_400_000_000
    who, of = np.array([0, 999_999]), np.array([0, 999_999, 999_999])
    found = earliest_after(who, np.array([0, 0]), of, np.array([century, 2 * century, century]))
    assert_array_equal([century, century], found)


@quietly
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-10, 10)), max_size=20))
def test_medians_are_those_of_each_group_alone(table):
    group = np.array([one for one, _ in table], dtype=np.intp)
    values = np.array([one for _, one in table], dtype=float)
    expected = [np.median(values[group == one]) if (group == one).any() else np.nan for one in range(4)]
    assert_allclose(expected, medians(values, group, 4))


@quietly
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans()), max_size=25))
def test_units_hold_every_event_once(table):
    group, who = (np.array([row[place] for row in table], dtype=np.int64) for place in (0, 1))
    met = np.array([row[2] for row in table], dtype=bool)
    units = units_of(3, group, who, met)
    assert_array_equal(np.bincount(group, minlength=3), units.answers())
    assert_array_equal(np.bincount(group, weights=met, minlength=3), units.per_group(units.marks["met"]))
    assert len(set(zip(group.tolist(), who.tolist(), strict=True))) == units.per_group().sum()


def test_a_missing_label_is_a_group_of_its_own():
    channel = np.array(["web", None, "app", float("nan")], dtype=object)
    groups, number = grouped({"channel": channel}, 4)
    assert ["app", "web", None] == groups.labels["channel"].tolist()
    assert [1, 2, 0, 2] == number.tolist()


def test_ids_of_text_and_of_numbers_are_not_compared():
    with pytest.raises(SchemaError, match="customer_id is text in one table and a number in another"):
        coded(np.array(["7"], dtype=object), np.array([7]))
