"""Fit: the peak with its doubt, or the reason why there is none."""

import random
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import Fit, History
from custrel.clv import BGNBD, GammaGamma, LifetimeValue
from custrel.datasets import cdnow_summary
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Diagnosis
from custrel.likelihood import BLOCK, SAMPLE

approx = pytest.approx

LAW = BGNBD(0.24259452243015708, 4.413602019013504, 0.7929220172255975, 2.425906776826332)


def crowd(law, n, seed, *, T=(20.0, 60.0)):
    rng = np.random.default_rng(seed)
    return law.simulate(rng.uniform(*T, n), rng).history()


# -- the figures ------------------------------------------------------------------------------------------------------


def test_a_fit_reads_as_a_sentence(fit):
    found = "r = 0.2426, alpha = 4.414, a = 0.7929, b = 2.426; log-likelihood -9,582.43"
    assert repr(fit) == f"Fit of BGNBD to 2,357 customers: {found}"


def test_the_log_likelihood_is_the_sum_over_customers(fit, cdnow):
    assert approx(fit.model.log_likelihood(cdnow).sum(), rel=1e-12) == fit.log_likelihood


def test_information_criteria_by_hand(fit):
    assert approx(2 * 4 + 2 * 9582.42920667393) == fit.aic
    assert approx(4 * np.log(2357) + 2 * 9582.42920667393) == fit.bic


def test_the_parameters_are_those_of_the_model(fit):
    assert_array_equal(tuple(fit.model), fit.parameters)


def test_the_table_has_a_row_for_each_parameter(fit):
    table = fit.table()
    assert isinstance(table, pd.DataFrame)
    assert ["parameter", "estimate", "standard_error", "low", "high"] == list(table.columns)
    assert ["r", "alpha", "a", "b"] == table["parameter"].tolist()
    assert_array_equal(fit.parameters, table["estimate"])
    assert_array_equal(fit.standard_errors, table["standard_error"])


def test_the_intervals_are_made_on_the_log_scale(fit):
    half = 1.959963984540054 * fit.standard_errors / fit.parameters
    table = fit.table()
    assert_allclose(fit.parameters * np.exp(-half), table["low"], rtol=1e-9)
    assert_allclose(fit.parameters * np.exp(half), table["high"], rtol=1e-9)
    assert np.all(table["low"] > 0)


def test_a_wider_level_gives_wider_intervals(fit):
    narrow, wide = fit.table(level=0.5), fit.table(level=0.99)
    assert np.all(wide["low"] < narrow["low"])
    assert np.all(narrow["high"] < wide["high"])


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan"), "high", None])
def test_a_level_that_is_none_is_refused(fit, level):
    with pytest.raises(DomainError, match="level must"):
        fit.table(level=level)


def test_the_covariance_is_the_observed_information_inverted(fit, cdnow):
    # From second differences of the log-likelihood itself, which the score has no part in.
    place, step = fit.model.to_log(), 1e-3
    moves = step * np.eye(4)

    def height(*shifts):
        return BGNBD.from_log(place + sum(shifts)).log_likelihood(cdnow).sum()

    curvature = [
        [(height(u, v) - height(u, -v) - height(-u, v) + height(-u, -v)) / (4 * step**2) for u in moves] for v in moves
    ]
    assert_allclose(np.linalg.inv(-np.array(curvature)), fit.log_covariance, rtol=1e-3)
    assert_allclose(fit.log_covariance * np.outer(fit.parameters, fit.parameters), fit.covariance, rtol=1e-14)
    assert_allclose(fit.covariance, fit.covariance.T, rtol=1e-12)


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = []
    for seed in range(20):
        table = BGNBD.fit(crowd(LAW, 1500, seed)).table(level=0.8)
        inside.append((table["low"] < np.array(tuple(LAW))) & (np.array(tuple(LAW)) < table["high"]))
    assert 0.66 <= np.mean(inside) <= 0.94


def test_the_slope_at_the_peak_is_zero(fit, cdnow):
    slope = fit.model.score(cdnow).sum(axis=1) * fit.parameters / len(cdnow)
    assert np.abs(slope).max() < 1e-6
    assert fit.diagnosis.gradient < 1e-6


# -- draws ------------------------------------------------------------------------------------------------------------


def test_draws_are_laws_with_a_column_for_each_parameter(fit, cdnow):
    draws = fit.draws(7, seed=1)
    assert isinstance(draws, BGNBD)
    assert [(7, 1)] * 4 == [value.shape for value in draws]
    assert draws.p_alive(cdnow).shape == (7, 2357)


def test_the_seed_decides_the_draws(fit):
    assert fit.draws(5, seed=1) == fit.draws(5, seed=1)
    assert fit.draws(5, seed=1) != fit.draws(5, seed=2)


def test_draws_scatter_as_the_covariance_says(fit):
    places = np.log(np.hstack(list(fit.draws(20_000, seed=3))))
    error = np.sqrt(np.diag(fit.log_covariance) / 20_000)
    assert np.all(np.abs(places.mean(axis=0) - fit.model.to_log()) < 4 * error)
    scale = np.sqrt(np.outer(np.diag(fit.log_covariance), np.diag(fit.log_covariance)))
    assert_allclose(fit.log_covariance / scale, np.cov(places.T) / scale, atol=0.04)


@pytest.mark.parametrize("n", [0, -1, 2.5, "many"])
def test_fewer_draws_than_one_are_refused(fit, n):
    with pytest.raises(DomainError, match="draws"):
        fit.draws(n, seed=1)


# -- diagnosis --------------------------------------------------------------------------------------------------------


def test_the_diagnosis_says_how_it_went(fit):
    assert fit.diagnosis.starts == fit.diagnosis.agreeing >= 2
    assert fit.diagnosis.condition == approx(np.linalg.cond(fit.log_covariance), rel=1e-6)
    assert str(fit.diagnosis).startswith("A peak: gradient ")
    assert str(fit.diagnosis).endswith("3 of 3 starts agree.")


def test_findings_follow_the_figures():
    diagnosis = Diagnosis(("One.", "Two."), gradient=1e-9, condition=40.0, starts=3, agreeing=2)
    assert str(diagnosis).splitlines()[1:] == ["One.", "Two."]
    assert Diagnosis.from_dict(diagnosis.to_dict()) == diagnosis


def test_a_fit_is_a_value(fit):
    with pytest.raises(AttributeError):
        fit.n = 3
    assert isinstance(fit, Fit)
    same, other = replace(fit), replace(fit, n=2358)
    assert same == fit
    assert hash(same) == hash(fit)
    assert other != fit
    assert fit != fit.model


@pytest.mark.parametrize(
    "wrong",
    [
        {"log_covariance": np.eye(3)},
        {"log_covariance": -np.eye(4)},
        {"log_covariance": np.zeros((4, 4))},
        {"n": 0},
        {"log_likelihood": float("nan")},
    ],
    ids=str,
)
def test_a_fit_that_cannot_be_is_refused_at_birth(fit, wrong):
    with pytest.raises(DomainError, match=f"Fit: .*{next(iter(wrong))}"):
        replace(fit, **wrong)


@pytest.mark.parametrize("law", [BGNBD, GammaGamma])
def test_what_is_no_history_is_refused(law):
    with pytest.raises(DomainError, match=f"{law.__name__} needs a History.*got DataFrame"):
        law.fit(pd.DataFrame({"x": [1]}))


def test_a_climb_that_stops_on_a_slope_says_so(cdnow, monkeypatch):
    # A score that is wrong leads nowhere: what is left of the slope must be told, not a peak.
    score = BGNBD.score
    monkeypatch.setattr(BGNBD, "score", lambda law, h: score(law, h) + 1.0)
    with pytest.raises(ConvergenceError, match="no peak"):
        BGNBD.fit(cdnow)


# -- the data it takes ------------------------------------------------------------------------------------------------


def test_equal_histories_may_come_summed(fit, cdnow):
    summed = BGNBD.fit(cdnow.distinct())
    assert summed.n == 2357
    assert_allclose(fit.parameters, summed.parameters, rtol=1e-9)
    assert_allclose(fit.log_covariance, summed.log_covariance, rtol=1e-6)


def test_the_order_of_customers_does_not_matter(fit, cdnow):
    shuffled = cdnow.take(np.random.default_rng(0).permutation(len(cdnow)))
    assert_allclose(fit.parameters, BGNBD.fit(shuffled).parameters, rtol=1e-12)


def test_a_larger_base_of_the_same_kind_halves_the_doubt(fit, cdnow):
    fourfold = BGNBD.fit(cdnow.take(np.tile(np.arange(len(cdnow)), 4)))
    assert_allclose(fit.parameters, fourfold.parameters, rtol=1e-6)
    assert_allclose(fit.standard_errors / 2, fourfold.standard_errors, rtol=1e-4)


def test_the_unit_of_time_moves_alpha_alone(fit, cdnow):
    days = BGNBD.fit(History(x=cdnow.x, t_x=7 * cdnow.t_x, T=7 * cdnow.T, unit="day"))
    assert_allclose(fit.parameters * [1, 7, 1, 1], days.parameters, rtol=1e-6)
    assert_allclose(fit.log_covariance, days.log_covariance, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_any_scale_of_time_will_do(fit, cdnow, scale):
    other = BGNBD.fit(History(x=cdnow.x, t_x=scale * cdnow.t_x, T=scale * cdnow.T))
    assert_allclose(fit.parameters * [1, scale, 1, 1], other.parameters, rtol=1e-5)


def test_many_distinct_histories_are_climbed_on_a_sample_first():
    n = max(BLOCK, 2 * SAMPLE) + 10_000
    rng = np.random.default_rng(1)
    h = LAW.simulate(rng.uniform(20.0, 60.0, n), rng).history()
    assert len(h.distinct()) > 2 * SAMPLE
    fit = BGNBD.fit(h)
    assert fit.n == n
    slope = fit.model.score(h).sum(axis=1) * fit.parameters / n
    assert np.abs(slope).max() < 1e-6
    assert approx(fit.model.log_likelihood(h).sum(), rel=1e-11) == fit.log_likelihood
    assert np.abs((fit.model.to_log() - LAW.to_log()) / np.sqrt(np.diag(fit.log_covariance))).max() < 4


@pytest.mark.parametrize(
    "law",
    [
        BGNBD(3.0, 4.0, 0.2, 1.0),
        BGNBD(0.05, 1.0, 2.0, 3.0),
        BGNBD(1.0, 50.0, 5.0, 0.5),
        BGNBD(0.3, 0.2, 0.5, 30.0),
    ],
    ids=str,
)
def test_laws_of_many_kinds_are_found(law):
    fit = BGNBD.fit(crowd(law, 20_000, seed=5))
    assert fit.diagnosis.gradient < 1e-6
    assert np.abs((fit.model.to_log() - law.to_log()) / np.sqrt(np.diag(fit.log_covariance))).max() < 4


# -- data without a peak ----------------------------------------------------------------------------------------------


def refused(h, law=BGNBD):
    with pytest.raises(ConvergenceError) as caught:
        law.fit(h)
    return str(caught.value), caught.value.diagnosis


@pytest.mark.parametrize("n", [0, 1, 50])
def test_nobody_bought_twice(n):
    said, _ = refused(History(x=[0] * n, t_x=[0] * n, T=[39] * n))
    assert f"none of {n} customers bought twice" in said


def test_nobody_was_watched():
    said, _ = refused(History(x=[0] * 5, t_x=[0] * 5, T=[0] * 5))
    assert "none of 5 customers bought twice" in said


def test_one_customer():
    said, diagnosis = refused(History(x=[3], t_x=[20], T=[39]))
    assert "of 1 customer has no peak" in said
    assert "customers do not differ in how often they buy" in said
    assert "A peak" not in str(diagnosis)


def test_identical_customers():
    said, diagnosis = refused(History(x=[3] * 500, t_x=[20] * 500, T=[39] * 500))
    assert "500 customers has no peak" in said
    assert "customers do not differ in how often they buy" in said
    assert "A peak" not in str(diagnosis)


@pytest.mark.parametrize("x", [np.full(100, 39), np.arange(1, 101)], ids=["at one pace", "each at their own"])
def test_clockwork_to_the_end_tells_nothing_of_leaving(x):
    said, _ = refused(History(x=x, t_x=[39] * 100, T=[39] * 100))
    assert "(nobody is seen to leave" in said


def test_customers_who_never_leave():
    rng = np.random.default_rng(3)
    rate = rng.gamma(0.5, 1 / 5, 3000)
    x = rng.poisson(39 * rate)
    t_x = np.where(x > 0, 39 * rng.beta(np.maximum(x, 1), 1), 0)
    try:
        fit = BGNBD.fit(History(x=x, t_x=t_x, T=np.full(3000, 39.0)))
    except ConvergenceError as error:
        assert "nobody is seen to leave" in str(error)
    else:
        assert fit.model.a / (fit.model.a + fit.model.b) < 0.02


def test_customers_who_all_leave_after_one_repeat_purchase():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, 1000)
    said, _ = refused(History(x=x, t_x=x * rng.uniform(1, 9, 1000), T=[39] * 1000))
    assert (
        "(all leave at their first chance, unless a goes too)" in said or "a runs to infinity (all leave with" in said
    )


def test_customers_who_do_not_differ_in_their_rate():
    # Their counts scatter less than Poisson's, which no spread of rates can bring about.
    rng = np.random.default_rng(0)
    x = rng.binomial(10, 0.5, 5000) + 1
    h = History(x=x, t_x=39 * rng.beta(x, 1), T=[39.0] * 5000)
    said, diagnosis = refused(h)
    assert "r runs to infinity (customers do not differ in how often they buy)" in said
    assert not str(diagnosis).startswith("A peak")


@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_without_spread_is_never_given_a_firm_number(seed):
    # Poisson counts with dropout: r is infinite. Luck may show a spread, but then a small one with its doubt.
    h = crowd(BGNBD(1e6, 5e6, 1.0, 2.4), 4000, seed)
    try:
        fit = BGNBD.fit(h)
    except ConvergenceError as error:
        assert "customers do not differ in how often they buy" in str(error)
    else:
        assert fit.model.r > 20
        assert fit.diagnosis.gradient < 1e-6


def test_two_customers():
    said, _ = refused(History(x=[1, 2], t_x=[3, 4], T=[9, 9]))
    assert "2 customers has no peak" in said


@pytest.mark.parametrize("seed", range(12))
def test_a_handful_of_customers_gets_a_peak_or_a_reason(seed):
    rng = np.random.default_rng(seed)
    x = rng.poisson(1.5, 12)
    h = History(x=x, t_x=np.where(x > 0, rng.uniform(1, 30, 12), 0), T=np.full(12, 39.0))
    try:
        fit = BGNBD.fit(h)
    except ConvergenceError as error:
        assert "no peak" in str(error)
        assert ": " in str(error)
    else:
        assert np.all(np.isfinite(fit.standard_errors))
        assert np.sqrt(np.diag(fit.log_covariance)).max() < 10


# -- what it leaves alone ---------------------------------------------------------------------------------------------


def test_global_state_is_left_alone(cdnow):
    np.random.seed(11)  # noqa: NPY002 - the global streams are what this asks about
    random.seed(11)
    numpy_before, python_before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    filters, settings, columns = list(warnings.filters), np.geterr(), cdnow.x.copy()
    ltv = LifetimeValue().fit(cdnow)
    ltv.predict(cdnow.take(slice(0, 50)), horizon=39, draws=200)
    ltv.purchases_.draws(10, seed=1)
    assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert python_before == random.getstate()
    assert filters == list(warnings.filters)
    assert settings == np.geterr()
    assert_array_equal(columns, cdnow.x)


def test_fitting_twice_gives_the_same_answer(fit, cdnow):
    again = BGNBD.fit(cdnow)
    assert again.model == fit.model
    assert_array_equal(again.log_covariance, fit.log_covariance)
    assert GammaGamma.fit(cdnow).model == GammaGamma.fit(cdnow).model


@pytest.mark.parametrize("seed", [-1, 1.5, "yesterday", None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(DomainError, match="seed must be a whole number, 0 or more"):
        BGNBD.fit(cdnow_summary()).draws(3, seed=seed)


def test_a_peak_that_the_data_leave_open_says_where_it_is():
    rng = np.random.default_rng(0)
    h = BGNBD(0.265, 19.5, 0.95, 4.6).simulate(np.full(1500, 36.0), rng).history()
    said, _ = refused(h)
    assert "no peak sharp enough to be of use: at r = 0.307, alpha = 24.4, a = 3.27, b = 20.5" in said
    assert "the parameters can move together, a and b by far the most" in said
