"""Doubt: bounds come from the draws, of totals from the total in each draw; and what predict refuses."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History
from custrel.clv import BGBB, BGNBD, NBD, GammaGamma, LogNormalSpend, ParetoNBD, ShiftedBetaGeometric, Tenures
from custrel.clv.doubt import order_statistics, predict
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def some(cdnow):
    """Customers of all kinds, some of them alike."""
    return cdnow.take(np.argsort(cdnow.x, kind="stable")[::40])


@pytest.fixture(scope="module")
def by_x(cdnow):
    return np.minimum(cdnow.x, 5).astype(int)


@pytest.fixture(scope="module")
def contracts():
    survivors = [[1000, 869, 743, 653, 593, 551, 517, 491], [800, 700, 620], [500, 430]]
    return Tenures.from_survivors(survivors, unit="year")


def figures(table):
    return table[["value", "low", "high"]].to_numpy()


# -- customers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "asked", "named"),
    [
        ("p_alive", (), {}),
        ("p_alive", (26.0,), {}),
        ("p_active", ("182D",), {}),
        ("expected_purchases", (), {"t": 39}),
        ("discounted_expected_purchases", (20.0,), {"annual_discount_rate": 0.1}),
        ("probability", (2, 39.0), {}),
        ("mean_purchase_rate", (), {}),
        ("mean_dropout", (), {}),
    ],
)
def test_each_customers_bounds_are_those_of_the_draws(fit, some, quantity, asked, named):
    table = predict(fit, quantity, some, *asked, draws=40, seed=3, level=0.8, **named)
    place = (asked[0], some, *asked[1:]) if quantity == "probability" else (some, *asked)
    each = getattr(fit.draws(40, seed=3), quantity)(*place, **named)
    assert_allclose(getattr(fit.model, quantity)(*place, **named), table["value"], rtol=1e-12)
    low, high = np.sort(each, axis=0)[[3, 35]]
    assert_allclose(low, table["low"], rtol=1e-12)
    assert_allclose(high, table["high"], rtol=1e-12)
    assert table["customer_id"].tolist() == some.customer_id.tolist()


def test_a_posterior_brings_its_own_draws(fit, some):
    posterior = fit.posterior(60, seed=1)
    table = predict(posterior, "expected_purchases", some, 39, level=0.5)
    each = posterior.model.expected_purchases(some, 39)
    assert_allclose(each.mean(axis=0), table["value"], rtol=1e-12)
    assert_allclose(np.sort(each, axis=0)[[14, 44]], table[["low", "high"]].T, rtol=1e-12)
    total = predict(posterior, "expected_purchases", some, 39, by="all", level=0.5)
    assert approx(each.sum(axis=1).mean()) == total["value"][0]


def test_what_is_asked_may_be_of_each_customers_own(fit, some):
    t = np.linspace(1.0, 52.0, len(some))
    table = predict(fit, "expected_purchases", some, t, draws=30)
    assert_allclose(fit.model.expected_purchases(some, t), table["value"], rtol=1e-12)
    labels = np.arange(len(some)) % 3
    totals = predict(fit, "expected_purchases", some, t, draws=30, by=labels)
    assert_allclose(np.bincount(labels, table["value"]), totals["value"], rtol=1e-12)
    each = fit.draws(30, seed=0).expected_purchases(some, t)
    assert_allclose(np.sort(each[:, labels == 2].sum(axis=1))[[1, 28]], totals.loc[2, ["low", "high"]].astype(float))


def test_a_customers_figures_do_not_depend_on_who_else_is_asked_about(fit, cdnow):
    together = predict(fit, "expected_purchases", cdnow, 39, draws=100)
    rows = np.random.default_rng(0).permutation(len(cdnow))[:50]
    alone = predict(fit, "expected_purchases", cdnow.take(rows), 39, draws=100)
    assert_allclose(figures(together)[rows], figures(alone), rtol=1e-12)


def test_an_interval_grows_with_the_level_and_holds_the_value(fit, some):
    half, most = (predict(fit, "expected_purchases", some, 39, level=level) for level in (0.5, 0.99))
    assert np.all(most["low"] < half["low"])
    assert np.all(half["high"] < most["high"])
    assert np.all((half["low"] < half["value"]) & (half["value"] < half["high"]))


def test_the_seed_decides(fit, some):
    one, two, other = (predict(fit, "p_active", some, 4, draws=50, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(figures(one), figures(two))
    assert np.any(one["high"] != other["high"])
    assert_array_equal(one["value"], other["value"])


def test_draws_without_a_finite_expectation_make_the_bound_infinite(fit, some):
    table = predict(fit, "expected_purchases", some, np.inf, draws=200)
    assert np.all(np.isinf(table["value"]))
    assert np.all(np.isfinite(table["low"]))
    assert np.all(np.isinf(table["high"]))
    total = predict(fit, "expected_purchases", some, np.inf, draws=200, by="all")
    assert np.isfinite(total["low"][0])
    assert np.isinf(total["high"][0])


def test_order_statistics_by_hand():
    values = np.arange(1.0, 101.0)[::-1, None]
    assert [5.0, 95.0] == [one[0] for one in order_statistics(values, 0.9)]
    assert [1.0, 2.0] == [one[0] for one in order_statistics(values[-2:], 0.9)]


# -- totals -----------------------------------------------------------------------------------------------------------


def test_a_totals_bounds_are_those_of_the_total_in_each_draw(fit, cdnow, by_x):
    table = predict(fit, "expected_purchases", cdnow, 39, draws=100, by=by_x)
    each = fit.draws(100, seed=0).expected_purchases(cdnow, 39)
    sums = np.stack([each[:, by_x == x].sum(axis=1) for x in range(6)])
    assert_allclose(np.sort(sums, axis=1)[:, [4, 94]], table[["low", "high"]], rtol=1e-10)
    assert_allclose(np.bincount(by_x, fit.model.expected_purchases(cdnow, 39)), table["value"], rtol=1e-10)
    assert_array_equal(np.bincount(by_x), table["n"])
    assert list(range(6)) == table["group"].tolist()


def test_a_totals_interval_is_neither_the_sum_of_intervals_nor_one_of_customers_on_their_own(fit, cdnow):
    each = predict(fit, "expected_purchases", cdnow, 39)
    total = predict(fit, "expected_purchases", cdnow, 39, by="all")
    width = (total["high"] - total["low"])[0]
    widths = (each["high"] - each["low"]).to_numpy()
    assert width < 0.95 * widths.sum()
    assert width > 5 * np.sqrt(np.sum(widths**2))
    assert approx(each["value"].sum()) == total["value"][0]


def test_totals_of_probabilities_are_expected_numbers_of_customers(fit, cdnow):
    total = predict(fit, "p_alive", cdnow, by="all", draws=50)
    assert approx(0.81343983 * 2357, abs=1e-3) == total["value"][0]
    assert total["high"][0] <= 2357


def test_a_group_does_not_depend_on_the_others(fit, cdnow, by_x):
    together = predict(fit, "expected_purchases", cdnow, 39, by=by_x, draws=50)
    alone = predict(fit, "expected_purchases", cdnow.take(by_x == 3), 39, by="all", draws=50)
    assert_allclose(figures(together)[3], figures(alone)[0], rtol=1e-12)


def test_customers_who_share_a_row_count_as_many(fit, cdnow):
    few = cdnow.distinct()
    one, other = (predict(fit, "expected_purchases", h, 39, by=h.x > 2, draws=50) for h in (cdnow, few))
    assert_allclose(figures(one), figures(other), rtol=1e-10)
    assert_array_equal(one["n"], other["n"])
    shared = replace(few, n=few.n / 4)
    assert approx(2357 / 4) == predict(fit, "p_alive", shared, by="all", draws=5)["n"][0]


def test_several_labels_make_a_group_of_each_combination_that_is_there(fit, cdnow):
    late, often = cdnow.T < 30, np.where(cdnow.x > 2, "often", "seldom")
    table = predict(fit, "p_alive", cdnow, by={"often": often, "late": late}, draws=20)
    assert ["often", "late", "n", "value", "low", "high"] == table.columns.tolist()
    assert [("often", False), ("often", True), ("seldom", False), ("seldom", True)] == list(
        zip(table["often"], table["late"], strict=True)
    )
    expected = [
        np.sum((often == one) & (late == bool(two))) for one, two in zip(table["often"], table["late"], strict=True)
    ]
    assert expected == table["n"].tolist()


def test_labels_of_any_kind_come_back_as_they_are(fit, some):
    days = np.array(["2024-01-01", "2024-02-01"], dtype="M8[us]")[np.arange(len(some)) % 2]
    for labels in (days, pd.Series(days), pd.Categorical(["b", "a"] * 30)[: len(some)], list("ba" * 30)[: len(some)]):
        table = predict(fit, "p_alive", some, by=labels, draws=5)
        assert (
            sorted(set(np.asarray(labels).tolist()))
            == np.asarray(table["group"]).astype(np.asarray(labels).dtype).tolist()
        )


def test_more_groups_than_there_is_room_for_are_taken_by_parts(fit, some, monkeypatch):
    whole = predict(fit, "expected_purchases", some, 39, by=np.arange(len(some)) // 2, draws=50)
    monkeypatch.setattr("custrel.clv.doubt.SUMS", 150)
    monkeypatch.setattr("custrel.clv.doubt.CELLS", 100)
    parts = predict(fit, "expected_purchases", some, 39, by=np.arange(len(some)) // 2, draws=50)
    assert_allclose(figures(whole), figures(parts), rtol=1e-10)


def test_nobody_is_expected_to_do_anything(fit):
    nobody = History(x=[], t_x=[], T=[])
    assert len(predict(fit, "p_alive", nobody)) == 0
    assert len(predict(fit, "p_alive", nobody, by=[])) == 0
    assert [0, 0.0, 0.0, 0.0] == predict(fit, "p_alive", nobody, by="all").iloc[0, 1:].tolist()


def test_answers_leave_as_the_callers_library(fit, some):
    pl = pytest.importorskip("polars")
    for by in (None, "all", pl.Series(["a"] * len(some))):
        assert isinstance(predict(fit, "p_alive", replace(some, like="polars"), by=by, draws=5), pl.DataFrame)


# -- other laws -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [GammaGamma, LogNormalSpend])
def test_laws_of_spend(law, cdnow):
    spend = law.fit(cdnow)
    rows = cdnow.take(slice(0, 60))
    table = predict(spend, "expected_spend", rows, draws=50, level=0.8)
    assert_allclose(spend.model.expected_spend(rows), table["value"], rtol=1e-12)
    each = spend.draws(50, seed=0).expected_spend(rows)
    assert_allclose(np.sort(each, axis=0)[[4, 44]], table[["low", "high"]].T, rtol=1e-12)
    total = predict(spend, "expected_spend", rows, draws=50, by="all")
    assert approx(table["value"].sum()) == total["value"][0]


def test_laws_of_contracts(contracts):
    fit = ShiftedBetaGeometric.fit(contracts)
    here = contracts.take(~contracts.ended)
    table = predict(fit, "conditional_survival", here, 3, draws=50)
    assert_allclose(fit.model.conditional_survival(3, here.age), table["value"], rtol=1e-12)
    assert [1.0, 2.0, 7.0] == table["age"].tolist()
    assert [430.0, 620.0, 491.0] == table["n"].tolist()
    total = predict(fit, "conditional_survival", here, 3, draws=50, by="all")
    assert approx(table["value"] @ table["n"]) == total["value"][0]
    each = fit.draws(50, seed=0).conditional_survival(3, here.age) @ here.weights
    assert_allclose(np.sort(each)[[2, 47]], total[["low", "high"]].to_numpy()[0], rtol=1e-12)
    rate = predict(fit, "discounted_expected_residual_lifetime", here, annual_discount_rate=0.1, draws=20)
    assert np.all((rate["low"] < rate["value"]) & (rate["value"] < rate["high"]))


def test_laws_of_opportunities():
    h = (
        BGBB(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)
        .simulate(np.full(900, 6.0), np.random.default_rng(1))
        .history()
    )
    fit = BGBB.fit(h)
    table = predict(fit, "expected_purchases", h, 4, draws=50, by=h.x)
    assert_allclose(np.bincount(h.x.astype(int), fit.model.expected_purchases(h, 4)), table["value"], rtol=1e-10)


def test_laws_with_covariates(cdnow):
    web = np.random.default_rng(0).integers(0, 2, len(cdnow)).astype(float)
    h = replace(cdnow, covariates={"web": web}).take(slice(0, 600))
    fit = NBD.fit(h, purchase=["web"])
    table = predict(fit, "expected_purchases", h, 39, draws=30, by=h.covariates["web"])
    expected = np.bincount(h.covariates["web"].astype(int), fit.model.expected_purchases(h, 39))
    assert_allclose(expected, table["value"], rtol=1e-10)
    each = fit.draws(30, seed=0).expected_purchases(h, 39)[:, h.covariates["web"] == 1].sum(axis=1)
    assert_allclose(np.sort(each)[[1, 28]], table.loc[1, ["low", "high"]].astype(float), rtol=1e-10)


# -- memory -----------------------------------------------------------------------------------------------------------


def test_memory_holds_a_part_of_the_draws_at_a_time(fit):
    rng = np.random.default_rng(1)
    h = BGNBD(0.243, 4.414, 0.793, 2.426).simulate(rng.uniform(20, 60, 2500), rng).history()
    for by in (None, np.arange(2500)):  # 2,500 customers x 1,000 draws are 20 MB for each array of them
        tracemalloc.start()
        predict(fit, "p_alive", h, by=by)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60e6


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "named", "said"),
    [
        (("p_alve",), {}, "got 'p_alve'; did you mean 'p_alive'"),
        (("log_likelihood",), {}, "quantity, a method of BGNBD, must be one of"),
        (("expected_spend",), {}, "quantity, a method of BGNBD, must be one of"),
        ((3,), {}, "quantity, a method of BGNBD, must be one of"),
        (("expected_purchases",), {}, "expected_purchases must be asked with t"),
        (("probability", 2), {}, "probability must be asked with t"),
        (("p_alive", 3, 4), {}, "p_alive takes t beside the customers"),
        (("mean_dropout", 3), {}, "mean_dropout takes nothing beside the customers"),
        (("expected_purchases", 3), {"t": 3}, "was given t twice"),
        (("expected_purchases", 3), {"annual_rate": 3}, "takes no 'annual_rate'"),
        (("discounted_expected_purchases", 3), {"anual_discount_rate": 3}, "did you mean 'annual_discount_rate'"),
        (("expected_purchases", [3, 4]), {}, "t must be one, or one for each of 59 customers, got shape \\(2,\\)"),
        (("expected_purchases", -1), {}, "horizon"),
        (("p_alive",), {"level": 90}, "level must lie between 0 and 1"),
        (("p_alive",), {"draws": 1}, "draws must be a whole number, 2 or more"),
        (("p_alive",), {"draws": 10.5}, "draws must be a whole number"),
        (("p_alive",), {"seed": -1}, "seed must be a whole number, 0 or more"),
        (("p_alive",), {"by": ["a", "b"]}, "'group' must hold one label for each of 59 customers, got shape \\(2,\\)"),
        (("p_alive",), {"by": "channel"}, "by must be 'all', or labels, one for each customer, got 'channel'"),
        (("p_alive",), {"by": {}}, "by names no labels"),
        (("p_alive",), {"by": {"n": [1] * 59}}, "called 'n' already"),
        (("p_alive",), {"by": ["a"] * 57 + [None, float("nan")]}, "'group' is missing for 2 of 59 customers"),
        (("p_alive",), {"by": [1.0] * 58 + [float("nan")]}, "'group' is missing for 1 of 59 customers"),
        (("p_alive",), {"by": pd.array(["a"] * 58 + [pd.NA])}, "'group' is missing for 1 of 59 customers"),
        (
            ("p_alive",),
            {"by": np.array([1] * 58 + ["a"], dtype=object)},
            "labels of 'group' must be of one kind; found numbers and text",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(fit, some, asked, named, said):
    assert len(some) == 59
    with pytest.raises(DomainError, match=said):
        predict(fit, asked[0], some, *asked[1:], **named)


def test_what_is_no_fit_or_no_history_is_refused(fit, some):
    for wrong in (BGNBD, fit.model, "BGNBD", None):
        with pytest.raises(DomainError, match="predict needs a Fit, as a law's fit makes, or a Posterior"):
            predict(wrong, "p_alive", some)
    for wrong in (some.x, None, some.to_frame()):
        with pytest.raises(DomainError, match="predict needs a History.*or Tenures"):
            predict(fit, "p_alive", wrong)


def test_nobody_can_be_told_apart_in_distinct_rows(fit, cdnow):
    with pytest.raises(DomainError, match="2,357 customers in 1,016 distinct rows, so nobody can be told apart"):
        predict(fit, "p_alive", cdnow.distinct())


def test_contracts_that_ended_are_refused(contracts, some):
    fit = ShiftedBetaGeometric.fit(contracts)
    with pytest.raises(DomainError, match="7 of 10 rows are of contracts that ended"):
        predict(fit, "conditional_survival", contracts, 3)
    with pytest.raises(DomainError, match="a method of ShiftedBetaGeometric, must be one of"):
        predict(fit, "conditional_survival", some, 3)


def test_a_history_in_another_unit_is_refused(fit, some):
    with pytest.raises(DomainError, match="counts weeks, the history counts days"):
        predict(fit, "p_alive", replace(some, unit="day"))


def test_a_pareto_nbd_answers_the_same_questions(cdnow, some):
    pareto = ParetoNBD.fit(cdnow)
    table = predict(pareto, "p_alive", some, draws=40)
    assert_allclose(pareto.model.p_alive(some), table["value"], rtol=1e-10)
