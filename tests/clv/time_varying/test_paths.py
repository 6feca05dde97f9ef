"""Paths: pieces by hand and by brute force, from frames of every library; scenarios; what is refused, and in what words."""

from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from custrel import Interactions
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.clv.time_varying.scenario import ahead
from custrel.errors import DomainError, SchemaError
from custrel.history import PurchaseTimes

approx = pytest.approx

# c1 comes on day 1 and buys on days 4 and 8; c2 comes on day 3 and buys on day 5, c3 comes on the last day, day 10.
BOUGHT = {
    "customer_id": ["c1", "c1", "c1", "c2", "c2", "c3"],
    "occurred_at": [f"2024-01-{day:02}" for day in (1, 4, 8, 3, 5, 10)],
}
SEASON = {"date": ["2023-12-25", "2024-01-04", "2024-01-07"], "sale": [0.0, 1.0, 0.0]}
PRICES = {
    "customer_id": ["c2", "c1", "c1", "c3", "c2"],
    "date": [f"2024-01-{day:02}" for day in (3, 6, 1, 2, 5)],
    "price": [5.0, 2.0, 1.0, 9.0, 5.0],
}
PEOPLE = {"customer_id": ["c3", "c2", "c1"], "region": ["north", "south", "north"]}
LATER = {"date": ["2024-01-12", "2024-01-15"], "sale": [1.0, 0.0]}


def log_of(bought=BOUGHT, frame=pd.DataFrame, **more):
    return Interactions.from_frame(frame(bought), kind="purchase", columns={"amount": None, "currency": None}, **more)


def told(*frames, log=None, until="2024-01-10", unit="day", frame=pd.DataFrame, **more):
    return CovariatePaths.of(log or log_of(), [frame(one) for one in frames], until=until, unit=unit, **more)


def rows(paths):
    """The pieces as rows: customer, start, length, purchases, and the covariates in the order of their names."""
    table = nw.from_native(paths.to_frame(), eager_only=True).to_pandas()
    own = ["customer_id", "start", "length", "purchases"]
    return [tuple(row) for row in table[own + sorted(set(table.columns) - set(own))].itertuples(index=False)]


def lasting(at, changes, values):
    """The value of the last change that is not after a moment, by looking at them one by one."""
    return values[max(place for place, moment in enumerate(changes) if moment <= at)]


# -- pieces -----------------------------------------------------------------------------------------------------------


def test_pieces_by_hand():
    paths = told(SEASON, PRICES, PEOPLE)
    assert [
        ("c1", 0.0, 3.0, 0, 1.0, "north", 0.0),
        ("c1", 3.0, 2.0, 1, 1.0, "north", 1.0),  # a purchase on the day of a change belongs to what begins there
        ("c1", 5.0, 1.0, 0, 2.0, "north", 1.0),
        ("c1", 6.0, 1.0, 0, 2.0, "north", 0.0),
        ("c1", 7.0, 2.0, 1, 2.0, "north", 0.0),  # a cut at the last purchase
        ("c2", 0.0, 1.0, 0, 5.0, "south", 0.0),
        ("c2", 1.0, 1.0, 0, 5.0, "south", 1.0),
        ("c2", 2.0, 2.0, 1, 5.0, "south", 1.0),  # the price stays, and so makes no piece: the purchase does
        ("c2", 4.0, 3.0, 0, 5.0, "south", 0.0),
        ("c3", 0.0, 0.0, 0, 9.0, "north", 0.0),
    ] == rows(paths)
    assert [2.0, 1.0, 0.0] == paths.history.x.tolist()


def test_the_history_is_that_of_the_log():
    h, log = told(SEASON).history, log_of()
    same = log.history(until="2024-01-10", unit="day")
    for name in ("x", "t_x", "T", "customer_id"):
        assert_array_equal(getattr(same, name), getattr(h, name))


def test_every_library_tells_the_same(frame_of):
    log = log_of({**BOUGHT, "occurred_at": [datetime.fromisoformat(day) for day in BOUGHT["occurred_at"]]}, frame_of)
    paths = told(SEASON, PRICES, PEOPLE, log=log, frame=frame_of)
    assert rows(told(SEASON, PRICES, PEOPLE)) == rows(paths)
    assert frame_of.leaves == paths.like


def test_what_stays_as_it_is_makes_no_piece():
    days = pd.date_range("2024-01-01", "2024-01-10")
    daily = {"date": days, "sale": [float(4 <= day.day < 7) for day in days]}
    assert rows(told(SEASON)) == rows(told(daily))
    assert rows(told(SEASON)) == rows(told(SEASON, PRICES, PEOPLE).knowing(["sale"]))


def test_times_are_in_the_unit_that_was_asked_for():
    assert_array_equal(told(SEASON).start / 7, told(SEASON, unit="week").start)


def test_a_change_on_the_last_day_is_what_goes_on():
    paths = told({"date": ["2024-01-01", "2024-01-10"], "sale": [0, 1]})
    assert ("c1", 9.0, 0.0, 0, 1.0) == rows(paths)[2]
    assert [1.0] * 3 == ahead(paths, 5, "carry_forward").to_frame()["sale"].tolist()


def test_a_beginning_may_lie_ages_ago():
    assert rows(told(SEASON)) == rows(told({**SEASON, "date": ["0001-01-01", *SEASON["date"][1:]]}))


def test_hours_are_counted_where_the_grain_is_an_hour():
    log = log_of({"customer_id": ["c1", "c1"], "occurred_at": ["2024-01-01T10:20", "2024-01-01T15:00"]})
    sale = {"date": ["2024-01-01T00:00", "2024-01-01T15:00"], "sale": [0, 1]}
    paths = told(sale, log=log, until="2024-01-01T23:00", unit="hour", grain="hour")
    assert [("c1", 0.0, 5.0, 0, 0.0), ("c1", 5.0, 8.0, 1, 1.0)] == rows(paths)


def test_moments_with_a_zone_are_on_the_clock_of_the_log():
    log = log_of(tz="America/New_York")
    dates = [f"2024-01-{day:02}T05:00:00Z" for day in (1, 4)]
    assert [0.0, 3.0, 7.0] == told({"date": dates, "sale": [0, 1]}, log=log).start[:3].tolist()


def test_flags_are_numbers_and_columns_may_be_called_as_they_like():
    season = {"from": ["2023-12-25", "2024-01-04", "2024-01-07"], "sale": [False, True, False], "note": ["a", "b", "c"]}
    assert rows(told(SEASON)) == rows(told(season, time="from", columns=["sale"]))


def test_rows_that_say_nothing_are_counted():
    paths = told({"date": [*SEASON["date"], "2024-02-01"], "sale": [0, 1, 0, 1]}, PEOPLE)
    assert 1 == paths.history.counts["covariates_after_until"]
    assert 0 == paths.history.counts["covariates_of_other_customers"]
    more = {name: [*values, one] for (name, values), one in zip(PEOPLE.items(), ("c9", "east"), strict=True)}
    assert 1 == told(more).history.counts["covariates_of_other_customers"]


days = st.lists(st.integers(0, 20), min_size=1, max_size=8, unique=True)


@settings(deadline=None, derandomize=True, database=None, max_examples=12)
@given(changes=days, own=days, values=st.lists(st.integers(0, 2), min_size=16, max_size=16), bought=days)
def test_each_day_has_what_held_last(changes, own, values, bought):
    changes, own, bought = sorted({0, *changes}), sorted({0, *own}), sorted(bought)
    first = pd.Timestamp("2024-01-01")
    date = lambda moments: [first + pd.Timedelta(days=day) for day in moments]  # noqa: E731
    season = {"date": date(changes), "a": [float(v) for v in values[: len(changes)]]}
    mine = {"customer_id": ["c1"] * len(own), "date": date(own), "b": [float(v) for v in values[-len(own) :]]}
    log = log_of({"customer_id": ["c1"] * len(bought), "occurred_at": date(bought)})
    paths = told(season, mine, log=log, until=first + pd.Timedelta(days=20))
    table = paths.to_frame()
    for day in range(bought[0], 21):
        piece = table[table["start"] <= day - bought[0]].iloc[-1]
        assert lasting(day, changes, season["a"]) == piece["a"]
        assert lasting(day, own, mine["b"]) == piece["b"]
    counted = [sum(s <= day - bought[0] for s in table["start"]) - 1 for day in bought[1:]]
    assert np.bincount(counted, minlength=len(table)).tolist() == table["purchases"].tolist()
    same = table[["a", "b"]].diff().abs().sum(axis=1).iloc[1:] == 0
    assert set(table["start"].iloc[1:][same]) <= {float(bought[-1] - bought[0])}


# -- some customers ---------------------------------------------------------------------------------------------------


def test_taking_customers_takes_their_pieces():
    paths = told(SEASON, PRICES, PEOPLE)
    every = rows(paths)
    assert [row for row in every if row[0] == "c2"] == rows(paths.take([1]))
    assert [row for row in every if row[0] != "c2"] == rows(paths.take(np.array([True, False, True])))
    assert every == [row for block in paths.blocks(6) for row in rows(block)]
    assert 1 == len(paths.take([1]).covariates["region"][:1])
    assert set(paths.take([1]).covariates["region"]) == {"south"}


def test_a_block_has_no_more_pieces_than_asked_for():
    paths = told(SEASON, PRICES, PEOPLE)
    assert [1, 1, 1] == [len(block) for block in paths.blocks(1)]
    assert all(block.customer.size <= 10 for block in paths.blocks(10))


def test_equal_customers_are_one_row():
    bought = {"customer_id": list("abcd"), "occurred_at": ["2024-01-01"] * 3 + ["2024-01-02"]}
    paths = told(SEASON, log=log_of(bought))
    few = paths.distinct()
    assert (2, 4.0, [1.0, 3.0]) == (len(few), few.customers, sorted(few.weights.tolist()))
    assert_array_equal(sorted(paths.time_at_levels), sorted(few.time_at_levels))
    again = few.distinct()
    assert (2, 4.0) == (len(again), again.customers)
    assert 4 == len(told(SEASON, {"customer_id": list("abcd"), "age": [1, 2, 3, 4]}, log=log_of(bought)).distinct())


# -- what is to come --------------------------------------------------------------------------------------------------


def test_a_scenario_holds_from_its_rows_on_and_until_then_what_was_last():
    paths = told(SEASON, PEOPLE)
    to_come = ahead(paths, 7, pd.DataFrame(LATER))
    assert [
        ("c1", 0.0, 2.0, 0, "north", 0.0),
        ("c1", 2.0, 3.0, 0, "north", 1.0),
        ("c1", 5.0, 2.0, 0, "north", 0.0),
    ] == rows(to_come)[:3]
    assert 9 == len(rows(to_come))
    assert 1 == len(rows(ahead(paths.take([0]), 1.5, pd.DataFrame(LATER))))
    assert 2 == len(rows(ahead(paths.take([0]), "3D", pd.DataFrame(LATER))))


def test_horizons_may_be_each_customers_own():
    assert [2, 3, 1] == np.bincount(
        ahead(told(SEASON), np.array([4.0, 7.0, 1.0]), pd.DataFrame(LATER)).customer
    ).tolist()


def test_carry_forward_is_what_was_last():
    paths = told(SEASON, PRICES, PEOPLE)
    assert [("c1", 2.0, "north", 0.0), ("c2", 5.0, "south", 0.0), ("c3", 9.0, "north", 0.0)] == [
        (row[0], *row[4:]) for row in rows(ahead(paths, 9, "carry_forward"))
    ]


def test_frames_and_carry_forward_together():
    paths = told(SEASON, PRICES)
    dearer = pd.DataFrame({"customer_id": ["c2"], "date": ["2024-01-13"], "price": [6.0]})
    both = rows(ahead(paths, 9, [pd.DataFrame(LATER), dearer, "carry_forward"]))
    assert {2.0} == {row[4] for row in both if row[0] == "c1"}
    assert [5.0, 5.0, 6.0, 6.0] == [row[4] for row in both if row[0] == "c2"]


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (None, "scenario must be a frame of covariates to come, or 'carry_forward'"),
        ("as before", "scenario must be a frame"),
        ([], "scenario must be a frame"),
        (pd.DataFrame(LATER), "scenario says nothing of 'price': tell it, or add 'carry_forward'"),
        (
            [pd.DataFrame(LATER), pd.DataFrame({"customer_id": ["c2"], "date": ["2024-01-13"], "price": [6.0]})],
            "2 of 3 customers have no row: add theirs, or add 'carry_forward'",
        ),
        ([pd.DataFrame(SEASON), "carry_forward"], "3 of 3 rows are not after the end of observation"),
    ],
)
def test_nothing_is_carried_forward_in_silence(scenario, words):
    error = SchemaError if words is None else DomainError
    with pytest.raises(error, match=words):
        ahead(told(SEASON, PRICES, PEOPLE), 9, scenario)


def test_paths_that_begin_at_T_are_a_scenario():
    nobody = np.zeros(0, dtype=int)
    pattern = PurchaseTimes(nobody, np.zeros(0), T=np.full(3, 8.0))
    later = CovariatePaths.along(pattern, customer=[0, 1, 2, 2], start=[0, 0, 0, 4], covariates={"sale": [0, 1, 0, 1]})
    paths = told(SEASON)
    assert [1, 1, 2] == np.bincount(ahead(paths, 8, later).customer).tolist()
    assert [1, 1, 1] == np.bincount(ahead(paths, 3, later).customer).tolist()
    assert [3.0] * 3 == ahead(paths, 3, later).length.tolist()
    with pytest.raises(
        DomainError, match="paths must reach 9 days from T for each of 3 customers; these reach 8 for 3"
    ):
        ahead(paths, 9, later)
    with pytest.raises(DomainError, match="says nothing of 'region'"):
        ahead(told(SEASON, PEOPLE), 8, later)
    with pytest.raises(DomainError, match="these paths know no dates"):
        ahead(later, 3, pd.DataFrame(LATER))


def test_new_customers_follow_a_scenario():
    new = CovariatePaths.of_new(pd.DataFrame(SEASON), first_purchase="2024-01-02", t=10, unit="day")
    assert [(0, 0.0, 2.0, 0, 0.0), (0, 2.0, 3.0, 0, 1.0), (0, 5.0, 5.0, 0, 0.0)] == rows(new)
    people = [pd.DataFrame(SEASON), pd.DataFrame(PEOPLE)]
    two = CovariatePaths.of_new(people, first_purchase="2024-01-06", t=1, unit="week", customers=["c2", "c1"])
    assert [("c2", "south"), ("c2", "south"), ("c1", "north"), ("c1", "north")] == [(r[0], r[4]) for r in rows(two)]
    with pytest.raises(SchemaError, match="nothing says what 'sale' was at the first purchase of 1 of 1 customers"):
        CovariatePaths.of_new(pd.DataFrame(LATER), first_purchase="2024-01-02", t=10)
    with pytest.raises(DomainError, match="t must be a finite number"):
        CovariatePaths.of_new(pd.DataFrame(SEASON), first_purchase="2024-01-02", t="long")


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (
            [{**SEASON, "sale": [0.0, None, 1.0]}],
            "'sale' is missing in 1 of 3 rows: fill it in, or leave these rows out",
        ),
        ([{**SEASON, "sale": [0.0, np.inf, 1.0]}], "'sale' is not finite in 1 of 3 rows"),
        ([{**PEOPLE, "region": ["north", None, "east"]}], "'region' is missing in 1 of 3 rows"),
        ([{**PRICES, "customer_id": ["c2", None, "c1", "c3", "c2"]}], "'customer_id' is missing in 1 of 5 rows"),
        ([{**SEASON, "date": ["2023-12-25", None, "2024-01-07"]}], "'date' is missing in 1 rows"),
        (
            [{**SEASON, "date": ["2023-12-25", "soon", "2024-01-07"]}],
            "'date' cannot be read as a date or time in 1 rows",
        ),
        ([{**SEASON, "date": ["12/01/2024", "2024-01-04", "2024-01-07"]}], "can be read in more than one way"),
        (
            [{**SEASON, "date": ["2023-12-25", "2024-01-04T12:00", "2024-01-07"]}],
            "'date' falls within a day in 1 of 3 rows",
        ),
        (
            [{**SEASON, "date": ["2023-12-25", "2024-01-04", "2024-01-04"]}],
            "1 of 3 rows for all customers alike .it has no column .customer_id.. tell what another one tells",
        ),
        (
            [{**PEOPLE, "customer_id": ["c1", "c2", "c1"]}],
            "1 of 3 rows of one customer without a moment .the frame has no column .date., and so always holds. tell",
        ),
        (
            [{**PRICES, "customer_id": ["c2", "c1", "c1", "c2", "c9"]}],
            "'price' was at the first purchase of 1 of 3 customers",
        ),
        (
            [{**SEASON, "date": ["2024-01-02", "2024-01-04", "2024-01-07"]}],
            "'sale' was at the first purchase of 1 of 3 customers",
        ),
        ([{**PEOPLE, "customer_id": [1, 2, 3]}], "customers such as 1, none of whom is here; ours are such as 'c1'"),
        ([{"date": ["2024-01-01"]}], "a frame of covariates holds 'date': no covariate"),
        ([SEASON, SEASON], "covariate 'sale' stands in two frames"),
        ([{**SEASON, "sale": [pd.Timestamp("2024-01-01")] * 3}], "covariate 'sale' must hold numbers, flags or text"),
        ([{"date": [], "sale": np.zeros(0)}], "'date' must hold dates, datetimes or ISO text; found"),
        ([{"date": np.zeros(0, dtype="M8[us]"), "sale": np.zeros(0)}], "has no rows, and so says nothing of 'sale'"),
    ],
)
def test_what_cannot_be_told_is_refused(frames, words):
    with pytest.raises(SchemaError, match=words):
        told(*frames)


def test_columns_that_are_not_there_are_refused():
    with pytest.raises(SchemaError, match="no covariate 'prices'; did you mean 'price'"):
        told(SEASON, PRICES, columns=["sale", "prices", "price"])
    with pytest.raises(SchemaError, match="holds 'date', 'sale': no covariate; did you mean 'sale'"):
        told(SEASON, columns=["sales"])
    with pytest.raises(SchemaError, match="expected a frame"):
        CovariatePaths.of(log_of(), {"sale": [1]}, until="2024-01-10")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"customer": [0], "start": [0.0, 1.0], "covariates": {"a": [1.0]}}, "must have one length, got"),
        ({"customer": [0, 1], "start": [0.0, 0.0], "covariates": {}}, "must have one length|must"),
        ({"customer": [0, 2], "start": [0.0, 0.0], "covariates": {"a": [1.0, 2.0]}}, "number the 2 customers of times"),
        (
            {"customer": [0, 1], "start": [0.0, 5.0], "covariates": {"a": [1.0, 2.0]}},
            "between 0 and T; 1 of 2 rows do not",
        ),
        ({"customer": [0, 1], "start": [0.0, 1.0], "covariates": {"a": [1.0, 2.0]}}, "1 of 2 customers have no row"),
        (
            {"customer": [0, 1, 1], "start": [0.0, 0, 0], "covariates": {"a": [1.0, 2, 3]}},
            "1 of 3 rows start where another",
        ),
        (
            {"customer": [0, 1], "start": [0.0, 0.0], "covariates": {"a": [1.0, np.nan]}},
            "missing or not finite in 1 of 2",
        ),
        (
            {"customer": [0, 1], "start": [0.0, 0.0], "covariates": {"a": ["x", None]}},
            "missing or not finite in 1 of 2",
        ),
    ],
)
def test_arrays_that_make_no_paths_are_refused(given, words):
    times = PurchaseTimes(np.zeros(0, dtype=int), np.zeros(0), T=np.array([4.0, 4.0]))
    with pytest.raises(DomainError, match=words):
        CovariatePaths.along(times, **given)


def test_frames_are_not_changed():
    season, prices = pd.DataFrame(SEASON), pd.DataFrame(PRICES)
    before = season.copy(), prices.copy()
    CovariatePaths.of(log_of(), [season, prices], until="2024-01-10")
    pd.testing.assert_frame_equal(before[0], season)
    pd.testing.assert_frame_equal(before[1], prices)
