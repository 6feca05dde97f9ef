"""Weighting: answers that stand for all customers, by cells and by margins."""

from itertools import product

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from custrel import Interactions
from custrel.errors import ConvergenceError, DomainError, PromiseError, SchemaError
from custrel.feedback import nps
from custrel.feedback.weighting.post_stratify import post_stratify
from custrel.feedback.weighting.rake import rake, rake_table

approx = pytest.approx
properly = settings(deadline=None, derandomize=True, database=None, max_examples=8)
NAN = float("nan")
SLOW = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("pandas-nullable", "polars-lazy", "ibis", "dask", "pyspark")
]

TABLE = [[40, 30], [20, 10]]
MARGINS = {"region": {"north": 50, "south": 50}, "age": {"young": 55, "old": 45}}
PEOPLE = [("north", "young", 40), ("north", "old", 30), ("south", "young", 20), ("south", "old", 10)]


def crowd(people=PEOPLE, **more):
    """A frame of so many answers of each cell."""
    columns = {
        name: [one[place] for one in people for _ in range(one[2])] for place, name in enumerate(["region", "age"])
    }
    return pd.DataFrame({**columns, "score": 9.0, **more})


def weights_by(weights, *columns):
    return weights.frame.groupby(list(columns))["weight"].sum()


# -- worked cases -----------------------------------------------------------------------------------------------------


def test_post_stratification_of_the_worked_cases():
    # 80 answers of NPS 50 and 20 of NPS -10, each for half of the customers
    df = pd.DataFrame({"cell": ["a"] * 80 + ["b"] * 20, "score": [9] * 40 + [7] * 40 + [9] * 4 + [7] * 10 + [0] * 6})
    assert approx([38.0]) == nps(df)["value"].tolist()
    weights = post_stratify(df, by="cell", targets={"a": 0.5, "b": 0.5})
    told = nps(weights.frame, weight="weight")
    assert approx([20.0]) == told["value"].tolist()
    assert [50 / 80, 50 / 20] == weights.cells["weight"].tolist()
    # Kish: 100 (80 * .625^2 + 20 * 2.5^2) / 100^2
    assert approx((1.5625, 64.0)) == (weights.design_effect, weights.n_effective)
    assert (100, 0, 0, 1) == (weights.n, weights.unanswered, weights.trimmed, weights.rounds)


def test_raking_of_the_worked_cases():
    weights = rake(crowd(), MARGINS)
    cells = weights.cells.set_index(["region", "age"])
    for region, age, n, expected in zip(
        ["north", "north", "south", "south"], ["young", "old"] * 2, [40, 30, 20, 10], [25, 25, 30, 20], strict=True
    ):
        assert n == cells.loc[(region, age), "n"]
        assert approx(expected / n) == cells.loc[(region, age), "weight"]
    assert_allclose([[25, 25], [30, 20]], rake_table(TABLE, [[50, 50], [55, 45]]), rtol=1e-9)


def test_the_targets_say_how_far_off_answers_were_and_are():
    told = rake(crowd(), MARGINS).targets
    assert ["region", "region", "age", "age"] == told["variable"].tolist()
    assert ["north", "south", "young", "old"] == told["label"].tolist()
    assert [70, 30, 60, 40] == told["n"].tolist()
    assert approx([0.7, 0.3, 0.6, 0.4]) == told["share"].tolist()
    assert approx([0.5, 0.5, 0.55, 0.45]) == told["target"].tolist()
    assert approx([0.5, 0.5, 0.55, 0.45]) == told["weighted"].tolist()


def test_raked_weights_are_the_nearest_that_meet_the_targets():
    rng = np.random.default_rng(5)
    table = rng.integers(3, 40, (3, 4)).astype(float)
    q = table / table.sum()
    rows, columns = rng.dirichlet([5, 5, 5]), rng.dirichlet([6, 6, 6, 6])

    def dual(multipliers):  # Ireland and Kullback: information is least where its dual is
        a, b = multipliers[:3, None], multipliers[None, 3:]
        return np.sum(q * np.exp(a + b)) - a[:, 0] @ rows - b[0] @ columns

    found = minimize(dual, np.zeros(7), tol=1e-14)
    nearest = q * np.exp(found.x[:3, None] + found.x[None, 3:])
    assert_allclose(rake_table(q, [rows, columns]), nearest, rtol=1e-5)


def test_a_table_of_three_margins_is_raked_and_its_empty_places_stay_empty():
    table = np.arange(24.0).reshape(2, 3, 4)
    margins = [[30, 70], [20, 30, 50], [10, 20, 30, 40]]
    raked = rake_table(table, margins)
    assert 0 == raked[0, 0, 0]
    for axis, margin in enumerate(margins):
        others = tuple({0, 1, 2} - {axis})
        assert_allclose(raked.sum(axis=others), margin, rtol=1e-9)


# -- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_of", ["pandas", "polars", "pyarrow", "duckdb", *SLOW], indirect=True)
def test_every_library_gets_its_own_frame_back_with_weights(frame_of):
    silent = pd.DataFrame({"region": ["north", None], "age": ["young", "young"], "score": [NAN, NAN]})
    df = pd.concat([crowd(), silent], ignore_index=True).assign(row=range(102), base=[1.0, 2.0] * 51)
    given = frame_of(df)
    weights = rake(given, MARGINS, weight="base", trim=(0.5, 1.5))
    assert type(given) is type(weights.frame)
    assert frame_of.leaves == nw.from_native(weights.cells).implementation.value
    left = nw.from_native(weights.frame).lazy().collect().sort("row").to_dict(as_series=False)
    assert ["region", "age", "score", "row", "base", "weight"] == list(left)
    told = np.array([NAN if one is None else one for one in left["weight"]])
    assert_allclose(told, rake(df, MARGINS, weight="base", trim=(0.5, 1.5)).frame["weight"], rtol=1e-12)
    assert list(range(102)) == left["row"]
    assert [True, True] == np.isnan(told[100:]).tolist()
    assert approx(100) == np.nansum(told)
    assert [100.0] == nw.from_native(nps(weights.frame, weight="weight"))["value"].to_list()


@pytest.mark.parametrize("frame_of", ["pandas", "duckdb", *SLOW], indirect=True)
def test_labels_may_be_numbers_flags_and_days(frame_of):
    day = pd.to_datetime(["2024-01-01", "2024-02-01"]).astype("datetime64[us]")
    df = pd.DataFrame({"age": [1, 1, 2], "new": [True, False, False], "since": day[[0, 1, 1]], "score": [9.0] * 3})
    shares = {(1, True, day[0]): 0.5, (1, False, day[1]): 0.3, (2, False, day[1]): 0.2}
    weights = post_stratify(frame_of(df), by=["age", "new", "since"], targets=shares)
    left = nw.from_native(weights.frame).lazy().collect().sort("weight")
    assert approx([0.6, 0.9, 1.5]) == left["weight"].to_list()


def test_a_frame_keeps_its_index_its_categories_and_its_order():
    df = crowd().sample(frac=1, random_state=1).astype({"region": "category"})
    df.index = [f"answer {i}" for i in range(100)]
    before = df.copy(deep=True)
    left = rake(df, MARGINS).frame
    pd.testing.assert_frame_equal(before, df)
    pd.testing.assert_frame_equal(df, left.drop(columns="weight"))
    assert approx(25 / 40) == left.loc[(df["region"] == "north") & (df["age"] == "young"), "weight"].unique()


def test_who_did_not_answer_has_no_weight_and_is_counted():
    df = pd.DataFrame({"region": ["north", "north", "south"], "score": [9.0, None, 3.0]})
    weights = post_stratify(df, by="region", targets={"north": 0.7, "south": 0.3})
    assert (2, 1) == (weights.n, weights.unanswered)
    assert approx([1.4, NAN, 0.6], nan_ok=True) == weights.frame["weight"].tolist()
    assert "1 rows without answer have none" in repr(weights)
    everybody = post_stratify(df, by="region", targets={"north": 0.7, "south": 0.3}, score=None)
    assert approx([1.05, 1.05, 0.9]) == everybody.frame["weight"].tolist()


def test_targets_may_be_counts_shares_or_a_frame():
    df = crowd()
    counts = {("north", "young"): 10, ("north", "old"): 20, ("south", "young"): 30, ("south", "old"): 40}
    frame = pd.DataFrame([(*label, count) for label, count in counts.items()], columns=["region", "age", "customers"])
    expected = post_stratify(df, by=["region", "age"], targets=counts).frame["weight"]
    for targets in ({label: count / 100 for label, count in counts.items()}, frame):
        told = post_stratify(df, by=["region", "age"], targets=targets, population="customers")
        assert_allclose(told.frame["weight"], expected, rtol=1e-12)
    margins = {name: frame.groupby(name, as_index=False)["customers"].sum() for name in ("region", "age")}
    told = rake(df, margins, population="customers").targets.set_index("label")["weighted"]
    assert_allclose(told[["north", "south", "old", "young"]], [0.3, 0.7, 0.6, 0.4], atol=1e-9)


def test_a_margin_may_be_of_several_columns():
    df = crowd()
    both = {("north", "young"): 0.1, ("north", "old"): 0.2, ("south", "young"): 0.3, ("south", "old"): 0.4}
    weights = rake(df, {("region", "age"): both, "age": {"young": 0.4, "old": 0.6}})
    assert_allclose(weights.frame["weight"], post_stratify(df, by=["region", "age"], targets=both).frame["weight"])


def test_the_new_column_is_called_as_one_likes():
    weights = rake(crowd(weight=1.0), MARGINS, weight="weight", name="raked")
    assert ["weight", "raked"] == weights.frame.columns[-2:].tolist()


# -- weights made elsewhere, and bounds -------------------------------------------------------------------------------


def test_answers_of_a_cell_keep_the_proportions_of_the_weights_they_came_with():
    df = pd.DataFrame({"region": ["north", "north", "south"], "score": [9, 9, 9], "base": [1.0, 3.0, 7.0]})
    weights = post_stratify(df, by="region", targets={"north": 0.5, "south": 0.5}, weight="base")
    assert approx([0.375, 1.125, 1.5]) == weights.frame["weight"].tolist()
    assert approx(3 * (0.375**2 + 1.125**2 + 1.5**2) / 9) == weights.design_effect
    assert approx([4 / 11, 7 / 11]) == weights.cells["share"].tolist()


def test_the_unit_of_the_weights_answers_came_with_is_ours_to_choose():
    base = np.random.default_rng(1).uniform(0.5, 2, 100)
    one, other = (rake(crowd(base=factor * base), MARGINS, weight="base").frame["weight"] for factor in (1, 1000))
    assert_allclose(one, other, rtol=1e-9)


def test_bounds_hold_the_mean_stays_and_what_is_missed_is_told():
    free, held = (rake(crowd(), MARGINS, trim=trim) for trim in (None, (0.7, 1.6)))
    w = held.frame["weight"]
    assert (approx(0.7), approx(1.6)) == (w.min(), w.max())
    assert approx(1) == w.mean()
    assert 40 + 10 == held.trimmed
    # 40 answers at 0.7 and 10 at 1.6 leave 56 to the others, who had 55: they grow alike.
    others = held.frame.loc[(w > 0.7) & (w < 1.6)].groupby("region")["weight"].first()
    assert_allclose(others, np.array([25 / 30, 30 / 20]) * 56 / 55, rtol=1e-9)
    assert approx(np.abs(held.targets["missed"]).max()) == held.missed > 0.03
    assert held.design_effect < free.design_effect
    assert 0 == free.trimmed
    assert f"; 50 trimmed, which misses a target by up to {held.missed:.2g}" in repr(held)


def test_bounds_that_no_weight_passes_change_nothing():
    assert_allclose(rake(crowd(), MARGINS, trim=(0.1, 9)).frame["weight"], rake(crowd(), MARGINS).frame["weight"])


# -- what must be true for all ----------------------------------------------------------------------------------------

counts = st.integers(1, 30)
tables = st.lists(counts, min_size=4, max_size=12).filter(lambda flat: len(flat) % 2 == 0)


def people_of(flat):
    regions = ["north", "south"]
    ages = [f"age {i}" for i in range(len(flat) // 2)]
    return [(region, age, n) for (region, age), n in zip(product(regions, ages), flat, strict=True)]


@st.composite
def samples(draw):
    people = people_of(draw(tables))
    margins = {
        name: {label: draw(st.floats(5, 100)) for label in dict.fromkeys(one[place] for one in people)}
        for place, name in enumerate(["region", "age"])
    }
    totals = {name: sum(margin.values()) for name, margin in margins.items()}
    return people, {name: {k: v / totals[name] for k, v in margin.items()} for name, margin in margins.items()}


@properly
@given(samples())
def test_weighted_margins_are_the_targets_and_weights_positive(sample):
    people, margins = sample
    df = crowd(people)
    weights = rake(df, margins)
    for name, margin in margins.items():
        sums = weights_by(weights, name)
        assert_allclose([sums[label] / len(df) for label in margin], list(margin.values()), atol=1e-10)
    assert weights.low > 0
    assert approx(len(df)) == weights.frame["weight"].sum()
    w = weights.frame["weight"]
    assert approx(1 + w.var(ddof=0) / w.mean() ** 2) == weights.design_effect


@properly
@given(samples(), st.randoms(use_true_random=False))
def test_the_order_of_answers_changes_nothing(sample, rng):
    people, margins = sample
    df = crowd(people)
    order = list(range(len(df)))
    rng.shuffle(order)
    straight, mixed = rake(df, margins).frame, rake(df.iloc[order], margins).frame
    assert (straight["weight"].iloc[order].to_numpy() == mixed["weight"].to_numpy()).all()


@properly
@given(samples())
def test_to_rake_again_changes_nothing(sample):
    people, margins = sample
    once = rake(crowd(people), margins)
    again = rake(once.frame, margins, weight="weight", name="again", tolerance=1e-11)
    assert 0 == again.rounds
    assert_allclose(again.frame["again"], once.frame["weight"], rtol=1e-12)


@properly
@given(samples())
def test_raking_to_one_margin_is_post_stratification(sample):
    people, margins = sample
    one = rake(crowd(people), {"age": margins["age"]}).frame["weight"]
    assert_allclose(one, post_stratify(crowd(people), by="age", targets=margins["age"]).frame["weight"], rtol=1e-12)


@properly
@given(samples())
def test_ratios_across_cells_stay_as_they_were(sample):
    people, margins = sample
    table = np.array([n for *_, n in people], dtype=float).reshape(2, -1)
    raked = rake_table(table, [list(margin.values()) for margin in margins.values()])
    before, after = (one[0, :-1] * one[1, 1:] / (one[0, 1:] * one[1, :-1]) for one in (table, raked))
    assert_allclose(after, before, rtol=1e-9)


@properly
@given(samples(), st.floats(0.0, 0.9), st.floats(1.1, 5.0))
def test_trimmed_weights_lie_within_bounds_and_have_mean_one(sample, low, high):
    people, margins = sample
    weights = rake(crowd(people), margins, trim=(low, high))
    w = weights.frame["weight"]
    assert low <= w.min() <= w.max() <= high
    assert approx(1) == w.mean()


def test_weighting_removes_the_bias_that_unequal_response_makes():
    rng = np.random.default_rng(3)
    n = 200_000
    young = rng.random(n) < 0.5
    score = np.where(rng.random(n) < np.where(young, 0.2, 0.6), 10.0, 0.0)  # NPS -60 and 20: all -20
    answers = rng.random(n) < np.where(young, 0.05, 0.3)
    df = pd.DataFrame({"young": young, "score": np.where(answers, score, NAN)})
    assert nps(df)["value"].item() > 5
    weights = post_stratify(df, by="young", targets={True: young.sum(), False: (~young).sum()})
    told = nps(weights.frame, weight="weight").iloc[0]
    assert approx(-20, abs=3 * told["standard_error"]) == told["value"]
    assert approx(weights.n_effective) == told["n_effective"]


# -- bad input --------------------------------------------------------------------------------------------------------

DF = crowd()
CELLS = {"north": 0.5, "south": 0.5}


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"by": "area"}, SchemaError, "no column 'area' for weighting"),
        ({"by": []}, DomainError, "by must name one column or more, none of them twice, got []"),
        ({"score": "points"}, SchemaError, "no column 'points' for weighting"),
        ({"weight": "age"}, SchemaError, "weight='age' must hold numbers; found String"),
        (
            {"name": "score"},
            SchemaError,
            "there is a column 'score' already: give the new one another name by name=...",
        ),
        (
            {"targets": {"north": 0.5, "south": 0.4}},
            DomainError,
            "must add up to 1; they add up to 0.9: is a label missing?",
        ),
        (
            {"targets": {"north": 50, "south": -1}},
            DomainError,
            "the target of 'south' of 'region' must be a finite number, 0 or more, got -1",
        ),
        ({"targets": {"north": 50, "south": NAN}}, DomainError, "must be a finite number, 0 or more, got nan"),
        ({"targets": {"north": 50, "south": "many"}}, DomainError, "must be a finite number, 0 or more, got 'many'"),
        ({"targets": {"north": 0, "south": 0}}, DomainError, "must hold a number above 0; found none"),
        ({"targets": {}}, DomainError, "must hold a number above 0; found none"),
        ({"targets": {"north": 100}}, DomainError, "30 of 100 answers have no target above 0 by region: 'south' (30)"),
        (
            {"targets": {"north": 100, "south": 0}},
            DomainError,
            "30 of 100 answers have no target above 0 by region: 'south' (30)",
        ),
        ({"targets": {"north": 50, "sout": 50}}, DomainError, "'south' (30); did you mean \"'sout'\"?"),
        (
            {"targets": {"north": 50, "south": 30, "west": 20}},
            DomainError,
            "1 targets by region have no answer that could stand for them: 'west' (target 20); merge",
        ),
        (
            {"targets": {("north", "young"): 50}},
            DomainError,
            "targets must name a label of 'region'; found ('north', 'young')",
        ),
        ({"targets": {None: 50}}, DomainError, "targets must name a label of 'region'; found None"),
        (
            {"targets": [0.5, 0.5]},
            DomainError,
            "targets of 'region' must be a mapping from labels to numbers, or a frame; got list",
        ),
        ({"targets": pd.DataFrame({"region": ["north"], "n": [3]})}, SchemaError, "no column 'population' for targets"),
        ({"targets": pd.DataFrame({"region": ["north"] * 2, "population": [3, 4]})}, DomainError, "hold 'north' twice"),
        ({"trim": 3}, DomainError, "trim must be the lowest and the highest weight, such as (0.3, 3), got 3"),
        ({"trim": (1.5, 3)}, DomainError, "trim must hold the mean weight, which is 1, between its bounds"),
    ],
)
def test_bad_cells_are_told_what_is_wrong_with_them(asked, error, said):
    with pytest.raises(error) as caught:
        post_stratify(DF, **{"by": "region", "targets": CELLS, **asked})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"targets": {}}, DomainError, "targets must map a column, or several, to the targets of its labels, got {}"),
        (
            {"targets": {**MARGINS, "age": {"young": 50, "old": 45}}},
            DomainError,
            "they add up to 100 for 'region', 95 for 'age'",
        ),
        (
            {"targets": {**MARGINS, "age": {"young": 0.5, "old": 0.5}}},
            DomainError,
            "they add up to 100 for 'region', 1 for 'age'",
        ),
        ({"max_iterations": 0}, DomainError, "max_iterations must be a whole number, 1 or more, got 0"),
        ({"tolerance": -1}, DomainError, "tolerance must be a finite number, 0 or more, got -1"),
        (
            {"max_iterations": 1},
            ConvergenceError,
            "after 1 rounds the weighted share of 'north' by region is 0.506971, its target 0.5",
        ),
    ],
)
def test_bad_margins_are_told_what_is_wrong_with_them(asked, error, said):
    with pytest.raises(error) as caught:
        rake(DF, **{"targets": MARGINS, **asked})
    assert said in str(caught.value)


def test_targets_that_no_weights_can_meet_are_refused_with_the_margin_that_is_off():
    df = crowd([("north", "young", 40), ("south", "old", 10)])
    with pytest.raises(ConvergenceError, match="after 1,000 rounds .* there may be no weights that meet all targets"):
        rake(df, MARGINS)


def test_missing_labels_are_refused_where_there_is_an_answer():
    df = crowd()
    df.loc[:2, "age"] = None
    with pytest.raises(PromiseError, match="column 'age' is missing in 3 of 100 answers"):
        rake(df, MARGINS)


@pytest.mark.parametrize("odd", [0.0, -1.0, NAN, float("inf")])
def test_weights_that_are_none_are_refused(odd):
    df = crowd(base=1.0)
    df.loc[:2, "base"] = odd
    with pytest.raises(
        PromiseError, match="weight='base' must be a number above 0 for every answer; it is not for 3 of 100"
    ):
        rake(df, MARGINS, weight="base")


def test_without_an_answer_there_is_nothing_to_weigh():
    with pytest.raises(DomainError, match="there is no answer to weigh: 'score' is missing in all 100 rows"):
        rake(crowd(score=NAN), MARGINS)
    with pytest.raises(DomainError, match="there is no answer to weigh"):
        rake(crowd()[:0], MARGINS)


def test_a_column_that_bears_the_name_of_what_is_told_of_a_cell_is_refused():
    with pytest.raises(DomainError, match="by='n' is a name of the answer's own columns"):
        post_stratify(DF.rename(columns={"region": "n"}), by="n", targets=CELLS)


def test_a_log_is_asked_for_its_rows():
    log = Interactions.from_frame(
        pd.DataFrame({"customer_id": [1], "occurred_at": ["2024-01-01"], "survey_kind": ["nps"], "score": [9]}),
        kind="survey_response",
    )
    with pytest.raises(SchemaError, match="weights are given to rows of a frame"):
        post_stratify(log, by="region", targets=CELLS)


@pytest.mark.parametrize(
    ("table", "margins", "said"),
    [
        (TABLE, [[50, 50]], "margins must hold a total for each place of an axis, of shape (2, 2)"),
        (TABLE, [[50, 50], [55, 40]], "they add up to 100 for 'axis 0', 95 for 'axis 1'"),
        (TABLE, [[50, 50], [-5, 105]], "the totals of axis 1 must be finite numbers, 0 or more, and not all 0"),
        ([[40, -30], [20, 10]], [[50, 50], [55, 45]], "table must hold finite numbers of 0 or more, got -30 to 40"),
        (
            [[40, 30], [0, 0]],
            [[50, 50], [55, 45]],
            "axis 0 must have counts where its total is above 0, and nowhere else",
        ),
        (TABLE, [[100, 0], [55, 45]], "axis 0 must have counts where its total is above 0, and nowhere else"),
    ],
)
def test_bad_tables_are_told_what_is_wrong_with_them(table, margins, said):
    with pytest.raises(DomainError) as caught:
        rake_table(table, margins)
    assert said in str(caught.value)


@pytest.mark.slow
def test_intervals_with_weights_are_not_too_narrow():
    rng = np.random.default_rng(8)
    covered, shares = 0, {"north": 0.5, "south": 0.5}  # NPS 60 and -40: all 10
    for _ in range(60):
        region = np.where(rng.random(120) < 0.75, "north", "south")
        score = np.where(rng.random(120) < np.where(region == "north", 0.8, 0.3), 10, 0)
        weights = post_stratify(pd.DataFrame({"region": region, "score": score}), by="region", targets=shares)
        told = nps(weights.frame, weight="weight")
        covered += (told["low"] < 10).item() and (told["high"] > 10).item()
    assert covered >= 55
