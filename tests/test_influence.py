"""Influence: one step against truly leaving a customer out, by hand, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import digamma

from custrel import History, from_json
from custrel.clv import (
    BGNBD,
    MBGNBD,
    NBD,
    BetaDiscreteWeibull,
    BGCNBDk,
    GammaGamma,
    LogNormalSpend,
    ParetoNBD,
    Tenures,
)
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def movers():
    """Customers of the web, who buy more often."""
    rng = np.random.default_rng(1)
    web = rng.integers(0, 2, 800).astype(float)
    law = BGNBD(r=0.8, alpha=6 * np.exp(-0.6 * web), a=0.8, b=2.5)
    return replace(law.simulate(np.full(800, 40.0), rng).history(), covariates={"web": web})


def moved(fit, again):
    """By fitting again, in standard errors."""
    return (again.model.to_log() - fit.model.to_log()) / np.sqrt(np.diag(fit.log_covariance))


def shifts(found):
    """Parameters side by side, a row for each customer."""
    return np.stack(list(found.shift.values()), axis=1)


# -- one step, and the truth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [BGNBD, ParetoNBD, NBD, LogNormalSpend])
def test_who_moves_cdnow_most_does_so_when_truly_left_out(law, cdnow):
    fit = law.fit(cdnow)
    found = fit.influence(cdnow)
    first = 1 if law is LogNormalSpend else 0  # one customer alone moves it by 1: see the next test
    for rank in range(first, 5):
        without = cdnow.take(cdnow.customer_id != found.who["customer_id"][rank])
        truth = moved(fit, law.fit(without))
        assert_allclose(shifts(found)[rank], truth, atol=0.1 * np.abs(truth).max())


@pytest.mark.parametrize("law", [MBGNBD, GammaGamma, LogNormalSpend])
def test_one_step_is_short_for_who_moves_a_parameter_by_half_its_error_and_more(law, cdnow):
    fit = law.fit(cdnow)
    found = fit.influence(cdnow)
    truth = moved(fit, law.fit(cdnow.take(cdnow.customer_id != found.who["customer_id"][0])))
    ratio = np.abs(shifts(found)[0]).max() / np.abs(truth).max()
    assert 0.75 < ratio < 1
    assert_allclose(shifts(found)[0], truth, atol=0.25 * np.abs(truth).max())


def test_the_distance_is_what_the_log_likelihood_of_all_would_lose(cdnow):
    fit = ParetoNBD.fit(cdnow)
    found = fit.influence(cdnow)
    for rank in (1, 2, 30):
        again = ParetoNBD.fit(cdnow.take(cdnow.customer_id != found.who["customer_id"][rank]))
        lost = 2 * (fit.log_likelihood - cdnow.weights @ again.model.log_likelihood(cdnow))
        assert approx(lost, rel=0.06) == found.distance[rank]


def test_by_hand_for_two_parameters(cdnow):
    fit, h = NBD.fit(cdnow), cdnow
    r, alpha = fit.model
    in_r = r * (digamma(r + h.x) - digamma(r) + np.log(alpha / (alpha + h.T)))
    in_alpha = r - alpha * (r + h.x) / (alpha + h.T)
    (a, c), (_, b) = fit.log_covariance
    found = fit.influence(h)
    back = np.argsort(found.who["customer_id"])
    by_hand = np.stack([-(a * in_r + c * in_alpha) / np.sqrt(a), -(c * in_r + b * in_alpha) / np.sqrt(b)], axis=1)
    assert_allclose(by_hand, shifts(found)[back], rtol=1e-6, atol=1e-12)
    distance = a * in_r**2 + 2 * c * in_r * in_alpha + b * in_alpha**2
    assert_allclose(distance, found.distance[back], rtol=1e-6)
    assert_allclose(fit.model.log_likelihood(h), found.log_likelihood[back], rtol=1e-12)


def test_all_together_move_nothing(cdnow):
    found = MBGNBD.fit(cdnow).influence()
    assert_allclose(0, found.who["n"] @ shifts(found), atol=1e-4)
    assert approx(4, rel=0.25) == found.who["n"] @ found.distance  # the trace of the identity, if the law is right


def test_rows_of_alike_customers_tell_of_each_of_them(cdnow):
    fit = BGNBD.fit(cdnow)
    many, few = fit.influence(cdnow), fit.influence()
    again = np.repeat(np.arange(few.distance.size), few.who["n"].astype(int))
    assert_allclose(many.distance, few.distance[again], rtol=1e-9)
    assert "customer_id" not in few.who
    assert 2357 == few.customers == many.customers


def test_effects_of_covariates_move_as_they_are(movers):
    fit = BGNBD.fit(movers, purchase=["web"])
    found = fit.influence(movers)
    for rank in range(2):
        without = movers.take(movers.customer_id != found.who["customer_id"][rank])
        truth = moved(fit, BGNBD.fit(without, purchase=["web"]))
        assert_allclose(shifts(found)[rank], truth, atol=0.1 * np.abs(truth).max())
    assert ["x", "t_x", "T", "n"] == list(fit.influence().who)
    assert "shift_purchase: web" in found.table().columns
    assert repr(found).startswith("Influence of 800 customers on BGNBD with covariates\n")


# -- what comes back --------------------------------------------------------------------------------------------------


def test_the_table_begins_with_the_most_influential(cdnow):
    found = BGNBD.fit(cdnow).influence(cdnow)
    table = found.table(top=3)
    shown = [f"shift_{name}" for name in ("r", "alpha", "a", "b")]
    assert ["customer_id", "x", "t_x", "T", "log_likelihood", *shown, "distance"] == list(table.columns)
    assert ["19339", 21] == table.iloc[0][["customer_id", "x"]].tolist()
    assert (3, 2357) == (len(table), len(found.table()))
    assert np.all(np.diff(found.distance) <= 0)


def test_the_table_leaves_as_the_callers_library(cdnow):
    pl = pytest.importorskip("polars")
    assert isinstance(NBD.fit(cdnow).influence(replace(cdnow, like="polars")).table(top=2), pl.DataFrame)


def test_of_a_law_of_spend_only_who_spent_tells(cdnow):
    found = GammaGamma.fit(cdnow).influence(cdnow)
    assert ["customer_id", "x", "t_x", "T", "spend"] == list(found.who)
    assert 946 == found.distance.size == found.customers


def test_of_contracts_by_age_and_end():
    tenures = Tenures.from_survivors([1000, 869, 743, 653, 593], unit="year")
    fit = BetaDiscreteWeibull.fit(tenures)
    one, other = fit.influence(tenures), fit.influence()
    assert ["age", "ended", "n"] == list(one.who)
    assert_allclose(one.distance, other.distance)
    assert "one with age = 4, ended = True." in repr(one)


def test_who_moves_a_parameter_by_more_than_its_error_is_named(cdnow):
    found = MBGNBD.fit(cdnow).influence(cdnow)
    mover = "19339 (x = 21, t_x = 4.714, T = 29.29)"
    assert (f"1 customer moves alpha by more than its standard error: {mover} by 1.08.",) == found.findings
    rows = {name: np.array([5.0, 2.0, 2.0, 2.0]) for name in found.shift}
    five = replace(found, shift=rows, who={"x": np.array([9, 7, 5, 3]), "n": np.array([1.0, 1.0, 2.0, 1.0])})
    said = "5 customers move r by more than its standard error, each of them alone: one with x = 9 by 5.00; "
    assert f"{said}one with x = 7 by 2.00; one with x = 5 by 2.00; and 1 more." == five.findings[0]


def test_where_nobody_does_the_most_is_named(cdnow):
    said = "No customer moves a parameter by more than its standard error; the most is alpha by 0.78 of it: "
    assert (f"{said}19339 (x = 21, t_x = 4.714, T = 29.29).",) == BGNBD.fit(cdnow).influence(cdnow).findings


def test_a_typing_error_in_an_amount_stands_out():
    rng = np.random.default_rng(1)
    x = 1.0 + rng.negative_binomial(1, 0.25, 500)
    spend = GammaGamma(p=2.0, q=3.0, gamma=40.0).simulate(x, rng)
    spend[7] = 1e6
    h = History(x=x, t_x=np.ones(500), T=np.full(500, 9.0), spend=spend)
    found = GammaGamma.fit(h).influence(h)
    assert 7 == found.who["customer_id"][0]
    assert "1 customer moves q by more than its standard error: 7 (" in repr(found)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_what_is_no_data_is_refused(cdnow, fit):
    with pytest.raises(DomainError, match="influence needs the History or Tenures that were fitted, got ndarray"):
        fit.influence(cdnow.x)
    with pytest.raises(DomainError, match="influence needs the customers that were fitted, which JSON does not carry"):
        from_json(fit.to_json()).influence()
    assert_allclose(fit.influence(cdnow).distance, from_json(fit.to_json()).influence(cdnow).distance, rtol=1e-9)
    with pytest.raises(DomainError, match="top must be a whole number, 1 or more, got 0"):
        fit.influence(cdnow).table(top=0)


def test_other_customers_are_refused(cdnow, fit):
    with pytest.raises(
        DomainError, match="made from 2,357 customers with a log-likelihood of -9,582.43; that of these 9 "
    ):
        fit.influence(cdnow.take(slice(0, 9)))


def test_regular_purchases_need_the_history():
    law = BGCNBDk(1.0, 4.0, 0.8, 2.4, k=2)
    h = law.simulate(np.full(900, 40.0), np.random.default_rng(1)).history(log_gaps=True)
    fit = BGCNBDk.fit(h, k=2)
    assert 900 == fit.influence(h).distance.size
    with pytest.raises(DomainError, match="give the data that were fitted"):
        fit.influence()
