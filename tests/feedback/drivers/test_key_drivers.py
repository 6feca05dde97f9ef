from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pytest import approx  # noqa: PT013  # read as a word

from custrel import Interactions
from custrel.errors import DomainError, PromiseError, SchemaError
from custrel.feedback.drivers.key_drivers import key_drivers
from custrel.stats.cross_products import CrossProducts, resampled
from custrel.stats.importance_of_predictors import MOST_OF_LMG, lmg, relative_weights, variance_inflation

R_XX = np.array([[1, 0.6, 0.3], [0.6, 1, 0.4], [0.3, 0.4, 1]])
R_YX = np.array([0.5, 0.4, 0.3])
JOINT = np.block([[R_XX, R_YX[:, None]], [R_YX[None], np.ones((1, 1))]])
DRIVERS = ["staff", "price", "speed"]
ALL = [
    "pandas",
    "pandas-nullable",
    "pandas-pyarrow",
    "polars",
    "polars-lazy",
    "pyarrow",
    "duckdb",
    "ibis",
    "dask",
    "pyspark",
]
SLOW = {"pandas-nullable", "pandas-pyarrow", "polars", "ibis", "dask", "pyspark"}
each_engine = pytest.mark.parametrize(
    "frame_of", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in ALL], indirect=True
)
each_method = pytest.mark.parametrize("share", [relative_weights, lmg])


def correlated(n, joint=JOINT, seed=0):
    """Numbers whose correlations are exactly these, the outcome last."""
    z = np.random.default_rng(seed).normal(size=(n, len(joint)))
    z = (z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    return z @ np.linalg.cholesky(joint).T


def answers(n=200, seed=0):
    x = correlated(n, seed=seed) * [1, 2, 3, 1] + [5, 50, 500, 7]
    return pd.DataFrame(x, columns=[*DRIVERS, "score"])


def ratings(n=120, seed=0):
    """Whole ratings from 1 to 5 and scores from 0 to 10, of customers who answered up to four times."""
    rng = np.random.default_rng(seed)
    mood, who = rng.normal(size=n), rng.integers(40, size=n)
    x = np.clip(np.rint(3 + mood[:, None] * [1.0, 0.8, 0.4] + rng.normal(size=(n, 3))), 1, 5)
    score = np.clip(np.rint(x @ [1.0, 0.6, 0.3] + rng.normal(size=n)), 0, 10)
    table = pd.DataFrame(x, columns=DRIVERS).assign(score=score, weight=rng.uniform(0.5, 2, n))
    return table.assign(customer_id=[f"c{one}" for one in who])


def columns_of(frame):
    """Columns of a frame of any library as lists."""
    import narwhals.stable.v2 as nw

    return nw.from_native(frame, eager_only=True).to_dict(as_series=False)


def random_correlations(p, seed):
    rng = np.random.default_rng(seed)
    return np.corrcoef((rng.normal(size=(3 * p + 5, p + 1)) @ rng.normal(size=(p + 1, p + 1))).T)


def r_squared(R, r, chosen):
    chosen = list(chosen)
    return float(r[chosen] @ np.linalg.solve(R[np.ix_(chosen, chosen)], r[chosen])) if chosen else 0.0


# -- the formulas --------------------------------------------------------------------------------------------------------


def test_the_worked_case_of_three_drivers():
    assert_allclose([0.164781, 0.071926, 0.044941], relative_weights(R_XX, R_YX), atol=5e-7)
    assert_allclose([0.164497, 0.073801, 0.043351], lmg(R_XX, R_YX), atol=5e-7)
    assert approx(0.281648, abs=5e-7) == relative_weights(R_XX, R_YX).sum() == approx(lmg(R_XX, R_YX).sum(), rel=1e-12)


def test_relative_weights_of_the_example_that_the_r_package_iopsych_prints():
    R = np.array([[1, 0.2, 0.3, 0.4], [0.2, 1, 0.5, 0.1], [0.3, 0.5, 1, 0.2], [0.4, 0.1, 0.2, 1]])
    printed = [0.24066119, 0.05492664, 0.12143476, 0.28158189]
    assert_allclose(printed, relative_weights(R, [-0.4, 0.1, -0.3, 0.4]), atol=5e-9)


def test_lmg_of_swiss_fertility_is_what_the_r_package_relaimpo_prints():
    # Agriculture, examination, education, Catholic, infant mortality of 47 provinces: their correlations in R's `swiss`.
    R = np.eye(5)
    R[np.triu_indices(5, 1)] = [
        *(-0.68654221, -0.63952252, 0.40109505, -0.06085861, 0.69841530),
        *(-0.5727418, -0.11402160, -0.15385892, -0.09932185, 0.17549591),
    ]
    found = lmg(R + R.T - np.eye(5), [0.35307918, -0.6458827, -0.66378886, 0.4636847, 0.41655603])
    assert_allclose([0.0571, 0.1712, 0.2601, 0.1056, 0.1128], found, atol=5e-5)


@pytest.mark.parametrize("p", [1, 2, 4, 6])
def test_lmg_is_the_mean_gain_over_all_orders(p):
    C = random_correlations(p, seed=p)
    R, r, gains = C[:p, :p], C[:p, p], np.zeros(p)
    orders = list(permutations(range(p)))
    for order in orders:
        for place, driver in enumerate(order):
            gains[driver] += r_squared(R, r, order[: place + 1]) - r_squared(R, r, order[:place])
    assert_allclose(gains / len(orders), lmg(R, r), atol=1e-12)


def test_relative_weights_are_made_with_the_root_of_the_correlations():
    from scipy.linalg import sqrtm

    C = random_correlations(6, seed=3)
    root = sqrtm(C[:6, :6])
    assert_allclose(root**2 @ np.linalg.solve(root, C[:6, 6]) ** 2, relative_weights(C[:6, :6], C[:6, 6]), rtol=1e-9)


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(p=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_shares_are_not_negative_sum_to_r_squared_and_follow_their_drivers(p, seed):
    C = random_correlations(p, seed)
    R, r = C[:p, :p], C[:p, p]
    order = np.random.default_rng(seed).permutation(p)
    sign = np.where(np.arange(p) % 2, -1, 1)
    for share in (relative_weights, lmg):
        found = share(R, r)
        assert np.all(found >= -1e-12)
        assert approx(r_squared(R, r, range(p)), abs=1e-9) == found.sum()
        assert_allclose(found[order], share(R[np.ix_(order, order)], r[order]), atol=1e-9)
        assert_allclose(found, share(R * sign * sign[:, None], r * sign), atol=1e-9)


@each_method
def test_drivers_without_correlations_have_their_squared_correlation_with_the_outcome(share):
    assert_allclose([0.25, 0.09, 0.0], share(np.eye(3), [0.5, -0.3, 0.0]), atol=1e-15)


@each_method
def test_drivers_that_are_alike_share_alike(share):
    assert_allclose([0.125, 0.125], share(np.ones((2, 2)), [0.5, 0.5]), atol=1e-12)
    R = [[1, 0.5, 0.5], [0.5, 1, 0.2], [0.5, 0.2, 1]]
    found = share(R, [0.4, 0.3, 0.3])
    assert approx(found[1], rel=1e-12) == found[2]


@each_method
def test_many_correlations_side_by_side_are_as_one_by_one(share):
    C = np.stack([random_correlations(4, seed) for seed in range(6)]).reshape(2, 3, 5, 5)
    found = share(C[..., :4, :4], C[..., :4, 4])
    assert (2, 3, 4) == found.shape
    assert_allclose(share(C[1, 2, :4, :4], C[1, 2, :4, 4]), found[1, 2], atol=1e-13)


def test_fifteen_drivers_are_gone_through_and_sixteen_are_not():
    C = random_correlations(MOST_OF_LMG, seed=1)
    R, r = C[:-1, :-1], C[:-1, -1]
    assert approx(r_squared(R, r, range(MOST_OF_LMG)), abs=1e-9) == lmg(R, r).sum()
    with pytest.raises(DomainError, match=r"2\^16 of them; it takes 15 at most and got 16.*relative weights"):
        lmg(np.eye(16), np.zeros(16))


def test_variance_inflation_is_one_by_what_the_others_do_not_tell():
    C = random_correlations(5, seed=2)
    others = [r_squared(np.delete(np.delete(C, j, 0), j, 1), np.delete(C[j], j), range(5)) for j in range(6)]
    assert_allclose(1 / (1 - np.array(others)), variance_inflation(C), rtol=1e-8)


@each_method
@pytest.mark.parametrize(
    ("R", "r", "words"),
    [
        (np.eye(2), [0.1], "shapes"),
        (np.eye(2)[0], 0.1, "shapes"),
        ([["a"]], ["b"], "must be numbers"),
        ([[1, 0.5], [0.4, 1]], [0.1, 0.1], "symmetric"),
        ([[1, 0.5], [0.5, 2]], [0.1, 0.1], "1 on the diagonal"),
        ([[1, np.nan], [np.nan, 1]], [0.1, 0.1], "finite"),
        ([[1, -0.5], [-0.5, 1]], [0.9, 0.9], "no data have these correlations at once: the least eigenvalue is -0.54"),
    ],
)
def test_what_are_no_correlations_is_refused(share, R, r, words):
    with pytest.raises(DomainError, match=words):
        share(R, r)


# -- samples -------------------------------------------------------------------------------------------------------------


def test_large_means_do_not_drown_a_covariance():
    x = correlated(50) + 1e9
    z = x - (x.mean(axis=0) + 1e-7)
    found = CrossProducts(np.array(50.0), z.sum(axis=0), z.T @ z).covariance()
    assert_allclose(JOINT, found, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_samples_vary_as_means_of_independent_units_do(k):
    rng = np.random.default_rng(4)
    x, units = rng.normal(size=(8400, 2)), 4200  # more than are drawn from at a time; two rows each
    found = resampled(x, np.ones(8400), np.full(units, k), np.arange(0, 8400, 2), repeats=800, seed=1)
    assert_allclose(2 * k * units, found.weight)
    of_units = x.reshape(units, 2, 2).sum(axis=1) / 2
    assert_allclose(x.mean(axis=0), found.mean().mean(axis=0), atol=4 * 0.0115 / np.sqrt(800))
    assert_allclose(of_units.std(axis=0) / np.sqrt(k * units), found.mean().std(axis=0), rtol=0.1)


def test_a_sample_in_which_a_column_is_constant_has_no_correlation_with_it():
    x = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]])
    assert_allclose(np.eye(2), CrossProducts(np.array(3.0), x.sum(axis=0), x.T @ x).correlations(), atol=1e-12)


# -- the verb ------------------------------------------------------------------------------------------------------------


def test_a_table_says_what_the_formulas_say_of_its_correlations():
    found = key_drivers(answers(), drivers=DRIVERS, interval=None)
    assert DRIVERS == found["driver"].tolist()
    assert_allclose(relative_weights(R_XX, R_YX), found["value"], rtol=1e-9)
    assert_allclose(R_YX, found["correlation"], rtol=1e-9)
    assert_allclose(found["value"] / found["r_squared"], found["share"])
    assert approx(1) == found["share"].sum()
    assert_allclose(r_squared(R_XX, R_YX, range(3)), found["r_squared"])
    assert_allclose(np.linalg.solve(R_XX, R_YX) / [1, 2, 3], found["slope"])
    assert ["association, not cause"] * 3 == found["note"].tolist()
    assert [200] * 3 == found["n"].tolist()
    assert found[["low", "high"]].isna().all(axis=None)


def test_drivers_are_sorted_by_what_goes_with_them():
    found = key_drivers(answers(), drivers=DRIVERS[::-1], method="lmg", interval=None)
    assert DRIVERS == found["driver"].tolist()
    assert_allclose(lmg(R_XX, R_YX), found["value"], rtol=1e-9)


@settings(deadline=None, derandomize=True, database=None, max_examples=6)
@given(shift=st.floats(-1e9, 1e9), stretch=st.floats(1e-3, 1e6))
def test_where_a_scale_begins_and_its_unit_change_nothing_but_slopes(shift, stretch):
    df = answers(60)
    moved = df.assign(price=df["price"] * stretch + shift * stretch)
    one, other = (key_drivers(frame, drivers=DRIVERS, repeats=20) for frame in (df, moved))
    assert_allclose(
        one[["value", "low", "high", "performance"]], other[["value", "low", "high", "performance"]], atol=1e-4
    )
    assert_allclose(one["slope"] / [1, stretch, 1], other["slope"], rtol=1e-3)


def test_an_answer_of_weight_two_is_worth_two_answers():
    df = ratings()
    twice = pd.concat([df, df.iloc[:60]])
    weighed = df.assign(weight=np.where(np.arange(len(df)) < 60, 2.0, 1.0))
    one = key_drivers(twice, drivers=DRIVERS, interval=None)
    other = key_drivers(weighed, drivers=DRIVERS, interval=None, weight="weight")
    pd.testing.assert_frame_equal(one.drop(columns="n"), other.drop(columns="n"))
    assert (180, 120) == (one["n"][0], other["n"][0])


def test_performance_is_the_mean_on_the_scale_that_was_offered_or_seen():
    df = pd.DataFrame({"staff": [2, 4, 3, 3], "price": [1, 1, 5, 3], "score": [4, 6, 8, 6]})
    of = {"drivers": ["staff", "price"], "interval": None}
    seen, offered, one = (
        key_drivers(df, **of, **more).set_index("driver")["performance"]
        for more in ({}, {"scale": (1, 5)}, {"scale": {"staff": (0, 10)}})
    )
    assert {"staff": 0.5, "price": 0.375} == seen.to_dict()
    assert {"staff": 0.5, "price": 0.375} == offered.to_dict()
    assert {"staff": 0.3, "price": 0.375} == one.to_dict()


def test_the_means_part_four_quadrants():
    z = correlated(
        400, np.block([[np.eye(4), np.array([[0.6, 0.5, 0.2, 0.1]]).T], [np.array([[0.6, 0.5, 0.2, 0.1, 1]])]])
    )
    df = pd.DataFrame(z + np.array([80, 20, 70, 10, 0]), columns=[*"abcd", "score"])
    found = key_drivers(df, drivers=list("abcd"), scale=(0, 100), interval=None)
    assert ["keep up", "concentrate here", "possible overkill", "low priority"] == found["quadrant"].tolist()
    assert_allclose(0.66 / 4, found["importance_cut"])
    assert_allclose(0.45, found["performance_cut"])


def test_rows_that_lack_something_are_left_out_and_counted():
    df = ratings().astype({"price": float})
    df.loc[[3, 5], "price"] = np.nan
    df.loc[[5, 9], "score"] = np.nan
    with pytest.raises(PromiseError, match=r"3 of 120 answers lack 'price' \(2\), 'score' \(2\).*missing='drop'"):
        key_drivers(df, drivers=DRIVERS)
    found = key_drivers(df, drivers=DRIVERS, missing="drop", repeats=50)
    whole = key_drivers(df.drop(index=[3, 5, 9]), drivers=DRIVERS, repeats=50)
    assert [3] * 3 == found["excluded_missing"].tolist()
    pd.testing.assert_frame_equal(whole.drop(columns="excluded_missing"), found.drop(columns="excluded_missing"))


def test_flags_are_drivers_too():
    df = ratings().assign(solved=lambda df: df["staff"] > 3)
    found = key_drivers(df, drivers=["solved", "price"], interval=None).set_index("driver")
    as_numbers = key_drivers(df.astype({"solved": int}), drivers=["solved", "price"], interval=None)
    assert_allclose(as_numbers["value"], found["value"])
    assert approx((df["staff"] > 3).mean()) == found.loc["solved", "performance"]


def test_an_outcome_that_goes_with_nothing_has_no_shares():
    df = pd.DataFrame({"staff": [1, 1, 2, 2], "score": [1, 2, 1, 2]})
    found = key_drivers(df, drivers=["staff"], interval=None)
    assert 0 == found["value"][0] == found["r_squared"][0]
    assert found["share"].isna().all()


def test_intervals_hold_their_value_and_repeat_by_their_seed():
    of = {"drivers": DRIVERS, "repeats": 200}
    one, again, other = (key_drivers(ratings(), **of, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert not np.allclose(one["low"], other["low"])
    assert np.all((one["low"] <= one["value"]) & (one["value"] <= one["high"]))


def test_the_order_of_rows_does_not_matter():
    of = {"drivers": DRIVERS, "repeats": 100, "weight": "weight"}
    one, other = key_drivers(ratings(), **of), key_drivers(ratings()[::-1], **of)
    for name in ("value", "low", "high", "slope"):
        assert_allclose(one[name], other[name], rtol=1e-9)


def test_answers_that_are_alike_are_drawn_as_many_times_as_they_came():
    df = ratings(400).drop(columns=["customer_id", "weight"])
    alike = key_drivers(df, drivers=DRIVERS, repeats=2000)
    apart = key_drivers(df.assign(customer_id=np.arange(400)), drivers=DRIVERS, repeats=2000)
    assert_allclose(alike[["low", "high"]], apart[["low", "high"]], atol=0.015)


def test_many_answers_of_a_customer_are_not_independent():
    df = ratings(150)
    many = pd.concat([df.assign(customer_id=np.arange(150))] * 4)
    of = {"drivers": DRIVERS, "repeats": 600}
    one, known, unknown = (
        key_drivers(df.drop(columns="customer_id"), **of),
        key_drivers(many, **of),
        key_drivers(many, **of, customer_id=None),
    )
    width = [float((found["high"] - found["low"]).iloc[0]) for found in (one, known, unknown)]
    assert approx(width[0], rel=0.15) == width[1]
    assert approx(width[0] / 2, rel=0.2) == width[2]


def test_who_is_not_named_is_somebody_else_each_time():
    df = ratings(60)
    unnamed = df.assign(customer_id=None)
    numbered = df.assign(customer_id=np.arange(60))
    one, other = (key_drivers(frame, drivers=DRIVERS, repeats=1000) for frame in (unnamed, numbered))
    assert_allclose(one[["low", "high"]], other[["low", "high"]], atol=0.05)


def test_few_answers_give_samples_in_which_a_driver_is_constant_and_still_bounds():
    df = pd.DataFrame({"staff": [1, 1, 1, 5], "price": [1, 2, 3, 3], "score": [1, 2, 2, 9]})
    found = key_drivers(df, drivers=["staff", "price"], repeats=200)
    assert np.isfinite(found[["low", "high"]]).all(axis=None)
    assert 0 == found["low"].min()


def test_a_log_answers_as_its_frame_does():
    df = ratings().assign(occurred_at="2024-01-01", survey_kind="nps")
    log = Interactions.from_frame(df, kind="survey_response")
    pd.testing.assert_frame_equal(
        key_drivers(df, drivers=DRIVERS, repeats=50), key_drivers(log, drivers=DRIVERS, repeats=50)
    )

    two = df.assign(survey_kind=["nps", "csat"] * 60)
    with pytest.raises(SchemaError, match="answers to several surveys, 'csat', 'nps'"):
        key_drivers(Interactions.from_frame(two, kind="survey_response"), drivers=DRIVERS)


@each_engine
def test_every_library_gives_the_same_answer(frame_of):
    df = ratings(60)
    df.loc[4, "price"] = np.nan
    of = {"drivers": DRIVERS, "weight": "weight", "missing": "drop", "repeats": 30, "scale": (1, 5)}
    table = frame_of({name: [None if pd.isna(one) else one for one in df[name]] for name in df})
    expected = key_drivers(df, **of)
    found = key_drivers(table, **of)
    assert frame_of.leaves in type(found).__module__
    found = columns_of(found)
    assert expected.columns.tolist() == list(found)
    for name in expected:
        if expected[name].dtype.kind in "fi":
            assert_allclose(expected[name], found[name], rtol=1e-9, err_msg=name)
        else:
            assert expected[name].tolist() == found[name]


@each_engine
def test_every_library_draws_from_the_rows_that_differ(frame_of):
    df = ratings(60).drop(columns=["customer_id", "weight"])
    found = columns_of(key_drivers(frame_of(df), drivers=DRIVERS, repeats=30))
    expected = key_drivers(df, drivers=DRIVERS, repeats=30)
    for name in ("value", "low", "high", "performance", "slope"):
        assert_allclose(expected[name], found[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"drivers": []}, r"drivers must be a list of one column or more.*got \[\]"),
        ({"drivers": "staff"}, "drivers must be a list"),
        ({"drivers": ["staff", "price", "staff"]}, "drivers name 'staff' twice"),
        ({"drivers": ["staff", "score"]}, "outcome='score' is among the drivers"),
        ({"method": "shapley"}, "method must be one of 'relative_weights', 'lmg'"),
        ({"interval": "t"}, "interval must be one of 'bootstrap', None"),
        ({"missing": "fill"}, "missing must be one of 'raise', 'drop'"),
        ({"level": 95}, "level must lie between 0 and 1"),
        ({"repeats": 0}, "repeats must be a whole number, 1 or more"),
        ({"seed": -1}, "seed must be a whole number, 0 or more"),
        ({"max_vif": 0.5}, "max_vif must lie between 1 and 1e"),
        ({"scale": {"prise": (1, 5)}}, "scale names 'prise', which is none of the drivers"),
        ({"scale": (5, 1)}, "scale must rise"),
        ({"drivers": [f"d{i}" for i in range(16)], "method": "lmg"}, r"2\^16 sets of 16 drivers.*relative_weights"),
    ],
)
def test_what_was_not_meant_is_refused_before_a_row_is_read(wrong, words):
    with pytest.raises(DomainError, match=words):
        key_drivers(**({"answers": ratings(), "drivers": DRIVERS} | wrong))


@pytest.mark.parametrize(
    ("df", "more", "error", "words"),
    [
        (ratings().drop(columns="price"), {}, SchemaError, "no column 'price' for key drivers"),
        (
            ratings().astype({"price": str}),
            {},
            SchemaError,
            "column 'price' must hold numbers or flags; found String.*flag",
        ),
        ([1, 2, 3], {}, SchemaError, "expected a frame"),
        (ratings(), {"customer_id": "who"}, SchemaError, "no column 'who'"),
        (ratings().assign(price=3), {}, DomainError, "column 'price' is constant: it is 3 in all 120 answers"),
        (ratings().assign(score=7.5), {}, DomainError, "column 'score' is constant: it is 7.5"),
        (ratings(4), {}, DomainError, "more than 4 answers for 3 drivers; there are 4"),
        (ratings(0), {}, DomainError, "there are 0"),
        (
            ratings().assign(price=np.nan),
            {"missing": "drop"},
            DomainError,
            r"there are 0 in which nothing is missing \(missing: 'price' \(120\)\)",
        ),
        (
            ratings().assign(weight=[1e6] * 3 + [1.0] * 117),
            {"weight": "weight"},
            DomainError,
            "with these weights say as much as 3.0",
        ),
        (ratings().assign(price=[np.inf] * 2 + [1.0, 2.0] * 59), {}, PromiseError, "'price' holds 2 infinite values"),
        (
            ratings().assign(weight=[-1.0, np.nan] + [1.0] * 118),
            {"weight": "weight"},
            PromiseError,
            "it is not for 2 of 120",
        ),
        (ratings(), {"scale": (2, 5)}, PromiseError, "driver 'staff' must lie on its scale from 2 to 5; found 1 to 5"),
        (ratings().assign(customer_id=[1, 2, 3, 4] * 30), {}, DomainError, "more than 4 customers and found 4"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_by_their_words(df, more, error, words):
    with pytest.raises(error, match=words):
        key_drivers(df, drivers=DRIVERS, **more)


def test_drivers_that_tell_the_same_are_named_with_their_figures():
    rng = np.random.default_rng(0)
    df = ratings().assign(near=lambda df: df["price"] + 0.2 * rng.normal(size=120))
    with pytest.raises(
        DomainError,
        match=r"max_vif=10: '(near|price)' \(\d+\.\d\), '(near|price)' \(\d+\.\d\); condition number \d+\.\d",
    ):
        key_drivers(df, drivers=[*DRIVERS, "near"])
    assert 4 == len(key_drivers(df, drivers=[*DRIVERS, "near"], max_vif=1000, interval=None))
    same = df.assign(total=df["price"] + df["staff"])
    with pytest.raises(DomainError, match=r"'price' \(above a million\)") as refusal:
        key_drivers(same, drivers=[*DRIVERS, "total"], max_vif=1e6)
    assert "speed" not in str(refusal.value)


def test_the_frame_and_the_random_state_of_the_caller_stay_as_they_were():
    df = ratings()
    before, state = df.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    key_drivers(df, drivers=DRIVERS, repeats=20)
    pd.testing.assert_frame_equal(before, df)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    root, truth = np.linalg.cholesky(JOINT), relative_weights(R_XX, R_YX)
    held = np.zeros(3)
    for seed in range(80):
        x = np.random.default_rng(seed).normal(size=(250, 4)) @ root.T
        found = key_drivers(pd.DataFrame(x, columns=[*DRIVERS, "score"]), drivers=DRIVERS, repeats=300, level=0.9)
        found = found.set_index("driver").loc[DRIVERS]
        held += (found["low"].to_numpy() <= truth) & (truth <= found["high"].to_numpy())
    assert np.all(held / 80 > 0.8)
    assert np.all(held / 80 < 0.99)
