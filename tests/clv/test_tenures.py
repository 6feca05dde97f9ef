"""Tenures: contracts counted by age, from survivors, from frames and from arrays."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from custrel.clv.tenures import Tenures
from custrel.errors import DomainError, SchemaError

approx = pytest.approx
same_each_time = settings(max_examples=25, derandomize=True, database=None, deadline=None)


def rows_of(tenures):
    """What a likelihood sees: {(age, ended): customers}."""
    found = {}
    for age, ended, n in zip(tenures.age.tolist(), tenures.ended.tolist(), tenures.weights.tolist(), strict=True):
        found[age, ended] = found.get((age, ended), 0) + n
    return found


# -- survivors --------------------------------------------------------------------------------------------------------


def test_a_cohort_is_read_as_losses_by_age_and_survivors_at_its_end():
    tenures = Tenures.from_survivors([1000, 631, 468, 382], unit="year")
    assert {(1, True): 369, (2, True): 163, (3, True): 86, (3, False): 382} == rows_of(tenures)
    assert tenures.customers == 1000
    assert "year" == tenures.unit


def test_each_cohort_is_read_up_to_its_own_end():
    cohorts = [np.array([100, 60, 50]), (80, 70), [40]]
    expected = {(1, True): 50, (2, True): 10, (2, False): 50, (1, False): 70, (0, False): 40}
    assert expected == rows_of(Tenures.from_survivors(cohorts, unit="month"))


def test_survivors_come_as_any_column_of_numbers():
    expected = rows_of(Tenures.from_survivors([100, 60, 50], unit="month"))
    for column in (np.array([100, 60, 50]), pd.Series([100, 60, 50], index=[7, 8, 9]), iter([100, 60, 50])):
        assert expected == rows_of(Tenures.from_survivors(column, unit="month"))


def test_a_period_in_which_nobody_left_makes_no_row():
    assert {(2, True): 3, (4, True): 7} == rows_of(Tenures.from_survivors([10, 10, 7, 7, 0, 0], unit="week"))


def test_percentages_add_up_to_what_the_cohort_begins_with():
    high_end = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]
    tenures = Tenures.from_survivors(high_end, unit="year")
    assert 100 == tenures.customers
    assert approx(50.9) == tenures.lost.sum()
    assert approx(49.1) == tenures.kept.sum()


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), min_size=1, max_size=5))
@same_each_time
def test_survivors_can_be_counted_again_from_the_rows(losses):
    cohorts = [np.cumsum([1, *lost])[::-1] for lost in losses]  # ends with 1 survivor, so begins with 1 or more
    tenures = Tenures.from_survivors(cohorts, unit="month")
    for t in range(10):
        here = sum(counts[t] for counts in cohorts if t < counts.size)
        out_of_sight = tenures.kept[tenures.age < t].sum()
        gone = sum(counts[0] - counts[t] for counts in cohorts if t < counts.size)
        gone += sum(counts[0] - counts[-1] for counts in cohorts if t >= counts.size)
        assert gone == tenures.lost[tenures.age <= t].sum()
        assert here == tenures.customers - gone - out_of_sight


@pytest.mark.parametrize(
    ("survivors", "words"),
    [
        ([1000, 631, 640], "cohort 0 rises from 631 at age 1 to 640 at age 2"),
        ([[5, 4], [5, 4, 6]], "cohort 1 rises from 4 at age 1 to 6 at age 2"),
        ([1000, -1], "counts of cohort 0 must be finite and 0 or more"),
        ([1000, 631, np.nan], "end its list where its record ends"),
        ([np.inf, 5], "must be finite"),
        ([0, 0], "its size above 0"),
        ([], "cohort 0 must be a list of counts"),
        ([[10, 5], []], "cohort 1 must be a list of counts"),
        ([[[10, 5]]], "cohort 0 must be a list of counts"),
        (["many", "few"], "survivors must be counts by age"),
        ([[10, 5], 4], "cohort 1 must be a list of counts"),
        (7, "survivors must be counts by age"),
        (None, "survivors must be counts by age"),
    ],
)
def test_survivors_that_are_none_are_refused(survivors, words):
    with pytest.raises(DomainError, match=words):
        Tenures.from_survivors(survivors, unit="year")


# -- spans ------------------------------------------------------------------------------------------------------------

SPANS = {"months": [1, 3, 3, 0, 3, 1], "cancelled": [True, False, True, False, False, True]}
ENGINES = ["pandas", "pandas-nullable", "pandas-pyarrow", "polars", "polars-lazy", "pyarrow", "duckdb"]
ENGINES += [pytest.param(name, marks=pytest.mark.slow) for name in ("ibis", "dask", "pyspark")]
COUNTED = {(0, False): 1, (1, True): 2, (3, False): 2, (3, True): 1}


@pytest.mark.parametrize("frame_of", ENGINES, indirect=True)
def test_contracts_of_any_library_are_summed(frame_of):
    tenures = Tenures.from_spans(frame_of(SPANS), span="months", ended="cancelled", unit="month")
    assert COUNTED == rows_of(tenures)
    assert 4 == len(tenures)


def test_an_answer_leaves_in_the_library_that_came():
    pl = pytest.importorskip("polars")
    table = Tenures.from_spans(pl.DataFrame(SPANS), span="months", ended="cancelled", unit="month").to_frame()
    assert isinstance(table, pl.DataFrame)
    assert {"age": [0, 1, 3], "lost": [0, 2, 1], "kept": [1, 0, 2]} == table.to_dict(as_series=False)


def test_flags_may_be_ones_and_zeros():
    table = pd.DataFrame({"span": [1.0, 3.0], "ended": [1, 0]})
    assert {(1, True): 1, (3, False): 1} == rows_of(Tenures.from_spans(table, unit="year"))


def test_a_column_cannot_be_both_span_and_end():
    with pytest.raises(SchemaError, match="must be two columns; both are 'months'"):
        Tenures.from_spans(pd.DataFrame(SPANS), unit="month", span="months", ended="months")


def test_columns_may_bear_each_others_names():
    table = pd.DataFrame({"ended": [1, 3], "n": [True, False]})
    assert {(1, True): 1, (3, False): 1} == rows_of(Tenures.from_spans(table, span="ended", ended="n", unit="year"))


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ({"span": [1]}, SchemaError, "no column 'ended'"),
        ({"span": [1], "Ended": [True]}, SchemaError, "did you mean 'Ended'"),
        ({"span": ["1"], "ended": [True]}, SchemaError, "'span' must hold numbers"),
        ({"span": [True], "ended": [True]}, SchemaError, "'span' must hold numbers"),
        ({"span": [1], "ended": ["yes"]}, SchemaError, "'ended' must hold flags"),
        ({"span": [1, 2], "ended": [True, None]}, SchemaError, "(ended) must hold true or false"),
        ({"span": [1, 2], "ended": [0, 2]}, SchemaError, "(ended) must hold true or false"),
        ({"span": [1, None], "ended": [True, True]}, SchemaError, "(span) must hold whole periods in each row"),
        ({"span": [1.5], "ended": [True]}, DomainError, "'span' (span) must be whole periods, 0 or more, got 1.5"),
        ({"span": [-1], "ended": [False]}, DomainError, "'span' (span) must be whole periods, 0 or more, got -1"),
        ({"span": [np.inf], "ended": [False]}, DomainError, "'span' (span) must be whole periods"),
        ({"span": [2, 0], "ended": [True, True]}, DomainError, "lasted at least 1 period"),
        ({"span": np.array([], dtype=int), "ended": np.array([], dtype=bool)}, DomainError, "there is no row"),
    ],
)
def test_contracts_that_are_none_are_refused(table, error, words):
    with pytest.raises(error) as raised:
        Tenures.from_spans(pd.DataFrame(table), unit="month")
    assert words in str(raised.value)


# -- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_are_kept_as_they_are_and_cannot_be_changed():
    age = np.array([2, 1])
    tenures = Tenures(age, [True, False], unit="week")
    age[0] = 9
    assert_array_equal([2, 1], tenures.age)
    assert_array_equal([1, 1], tenures.weights)
    with pytest.raises(ValueError, match="read-only"):
        tenures.age[0] = 9


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"age": [1.5], "ended": [True]}, "age must be whole periods, 0 or more, got 1.5"),
        ({"age": [np.nan], "ended": [True]}, "age must be whole periods, 0 or more, got nan"),
        ({"age": ["old"], "ended": [True]}, "age must be numbers"),
        ({"age": [0], "ended": [True]}, "lasted at least 1 period, the one in which it ended; 1 of 1 rows"),
        ({"age": [1], "ended": [1]}, "ended must be true or false"),
        ({"age": [1, 2], "ended": [True]}, "must have one length each; ended has (1,)"),
        ({"age": [1], "ended": [True], "n": [1, 2]}, "must have one length each; n has (2,)"),
        ({"age": 1, "ended": True}, "must have one length each"),
        ({"age": [1], "ended": [True], "n": [0]}, "must be above 0 and finite"),
        ({"age": [1], "ended": [True], "n": [np.inf]}, "must be above 0 and finite"),
        ({"age": [1], "ended": [True], "n": [np.nan]}, "must be above 0 and finite"),
        ({"age": [1], "ended": [True], "n": ["x"]}, "n, the customers of each row, must be numbers"),
        ({"age": [], "ended": []}, "there is no row"),
    ],
)
def test_rows_that_are_impossible_are_refused(columns, words):
    with pytest.raises(DomainError) as raised:
        Tenures(**columns, unit="week")
    assert words in str(raised.value)


def test_the_length_of_a_period_must_be_said_and_known():
    with pytest.raises(TypeError, match="unit"):
        Tenures([1], [True])
    with pytest.raises(DomainError, match="did you mean 'month'"):
        Tenures([1], [True], unit="months")


def test_equal_rows_are_summed_and_nothing_is_lost():
    rng = np.random.default_rng(1)
    age, ended = rng.integers(1, 6, 500), rng.random(500) < 0.5
    tenures = Tenures(age, ended, rng.integers(1, 9, 500), unit="month")
    assert 10 == len(tenures.distinct())
    assert rows_of(tenures) == rows_of(tenures.distinct())


def test_pieces_make_the_whole():
    tenures = Tenures.from_survivors([50, 40, 30, 25, 20], unit="month")
    pieces = list(tenures.blocks(2))
    assert [2, 2, 1] == [len(piece) for piece in pieces]
    assert_array_equal(tenures.weights, np.concatenate([piece.weights for piece in pieces]))
    assert_array_equal(tenures.age[[0, 2]], tenures.take([0, 2]).age)
    assert 2 == replace(tenures.take([0, 2]), n=[1, 1]).customers


def test_a_tenure_says_what_it_holds():
    table = pd.DataFrame({"span": [0, 0, 2], "ended": [False, False, True]})
    expected = "Tenures of 3 customers: 1 left, 2 still here (2 of them in their first day), ages of up to 2 days"
    assert expected == repr(Tenures.from_spans(table, unit="day"))


@pytest.mark.parametrize("given", ["931", b"931", {0: 1000, 1: 631}, pd.DataFrame({"1997": [1000, 631]})])
def test_what_holds_counts_by_another_key_is_no_list_of_them(given):
    with pytest.raises(DomainError, match="give its counts as lists"):
        Tenures.from_survivors(given, unit="year")
