"""Four kinds of intervals, each against what it is by definition."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.stats import chi2

from custrel import History, from_json
from custrel.clv import BGNBD, NBD, BGCNBDk, GammaGamma, ShiftedBetaGeometric
from custrel.clv.tenures import Tenures
from custrel.errors import AssumptionWarning, ConvergenceError, DomainError

approx = pytest.approx

LAW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


def crowd(law, n, seed):
    rng = np.random.default_rng(seed)
    return law.simulate(rng.uniform(20.0, 60.0, n), rng).history()


def test_every_kind_has_the_same_columns_and_estimates(fit):
    for kind in ("wald", "sandwich", "profile", "bootstrap"):
        table = fit.table(interval=kind, repeats=20)
        assert ["parameter", "estimate", "standard_error", "low", "high"] == list(table.columns)
        assert_array_equal(fit.parameters, table["estimate"])
        assert np.all((table["low"] < table["estimate"]) & (table["estimate"] < table["high"]))


# -- sandwich ---------------------------------------------------------------------------------------------------------


def test_the_sandwich_is_whites_formula(fit, cdnow):
    score = fit.model.score(cdnow) * fit.parameters[:, None]
    covariance = fit.log_covariance @ (score @ score.T) @ fit.log_covariance
    table = fit.table(interval="sandwich", level=0.9)
    assert_allclose(np.sqrt(np.diag(covariance)) * fit.parameters, table["standard_error"], rtol=1e-6)
    half = 1.6448536269514722 * np.sqrt(np.diag(covariance))
    assert_allclose(fit.parameters * np.exp(half), table["high"], rtol=1e-6)


def test_the_sandwich_is_walds_where_the_law_made_the_data_and_wider_where_it_did_not():
    made = NBD(r=2.0, alpha=8.0)
    right = NBD.fit(crowd(made, 20_000, 1))
    assert_allclose(right.table()["standard_error"], right.table(interval="sandwich")["standard_error"], rtol=0.05)
    h = crowd(made, 20_000, 1)
    few = (np.arange(len(h)) % 200 == 0) & (h.x > 0)  # who buy on another scale
    wrong = NBD.fit(replace(h, x=np.where(few, 5 * h.x + 40, h.x)))
    assert np.all(wrong.table(interval="sandwich")["standard_error"] > 1.4 * wrong.table()["standard_error"])


# -- profile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_profile_has_fallen_by_half_the_quantile_at_both_bounds(fit, cdnow, level):
    table = fit.table(interval="profile", level=level)
    data, peak = fit.data, fit.model.to_log()

    def lost(others, chosen, fixed):
        model = BGNBD.from_log(np.insert(others, chosen, fixed))
        return fit.log_likelihood - data.weights @ model.log_likelihood(data)

    for chosen in range(4):
        for bound in (table["low"][chosen], table["high"][chosen]):
            found = minimize(
                lost,
                np.delete(peak, chosen),
                args=(chosen, np.log(bound)),
                method="Nelder-Mead",
                options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000},
            )
            assert approx(chi2(1).ppf(level) / 2, abs=2e-4) == found.fun


def test_the_profile_is_walds_interval_where_there_are_many_customers():
    fit = NBD.fit(crowd(NBD(r=0.8, alpha=4.0), 50_000, 3))
    wald, profile = fit.table(), fit.table(interval="profile")
    for side in ("low", "high"):
        assert_allclose(wald[side], profile[side], rtol=1e-3)


def test_a_side_that_never_falls_so_far_is_open():
    # Survivors of one cohort who nearly agree in their chance to leave: no upper bound for how alike they are.
    fit = ShiftedBetaGeometric.fit(Tenures.from_survivors([1000, 800, 660, 555], unit="year"))
    table = fit.table(interval="profile", level=0.9999)
    assert np.all(np.isinf(table["high"]))
    assert np.all(table["low"] > 0)


# -- bootstrap --------------------------------------------------------------------------------------------------------


def test_the_bootstrap_is_a_fit_to_customers_drawn_from_the_customers(fit):
    table = fit.table(interval="bootstrap", repeats=3, seed=5, level=0.5)
    rng, data, found = np.random.default_rng(5), fit.data, []
    for _ in range(3):
        n = rng.multinomial(2357, data.weights / 2357)
        drawn = replace(data.take(np.flatnonzero(n)), n=n[n > 0].astype(float))
        found.append(BGNBD.fit(drawn).parameters)
    assert_allclose(np.std(found, axis=0, ddof=1), table["standard_error"], rtol=1e-4)
    assert_allclose(np.quantile(found, 0.25, axis=0), table["low"], rtol=1e-5)


def test_the_seed_decides_the_bootstrap(fit):
    one, same, other = (fit.table(interval="bootstrap", repeats=5, seed=s)["low"].tolist() for s in (1, 1, 2))
    assert one == same != other


def test_bootstrapped_crowds_without_a_peak_are_counted():
    few = BGNBD.fit(crowd(LAW, 90, 4))
    with pytest.warns(AssumptionWarning, match=r"BGNBD: \d+ of 30 bootstrapped crowds have no peak"):
        few.table(interval="bootstrap", repeats=30)


def test_too_many_crowds_without_a_peak_are_refused():
    fewer = BGNBD.fit(crowd(LAW, 60, 1))
    with pytest.raises(ConvergenceError, match="too many for an interval"):
        fewer.table(interval="bootstrap", repeats=30)


# -- all --------------------------------------------------------------------------------------------------------------


def test_spend_and_regular_laws_have_them_too(cdnow):
    spend = GammaGamma.fit(cdnow)
    rng = np.random.default_rng(1)
    regular = BGCNBDk.fit(
        BGCNBDk(r=0.6, alpha=1.5, a=0.8, b=2.4, k=2).simulate(np.full(1500, 40.0), rng).history(log_gaps=True), k=2
    )
    for fit in (spend, regular):
        wald = fit.table()
        for kind in ("sandwich", "profile", "bootstrap"):
            table = fit.table(interval=kind, repeats=30)
            assert np.all(np.abs(np.log(table["high"] / wald["high"])) < 0.5)
            assert np.all(np.abs(np.log(table["low"] / wald["low"])) < 0.5)


def test_a_fit_from_json_has_walds_interval_only(fit):
    back = from_json(fit.to_json())
    assert back.table().equals(fit.table())
    for kind in ("sandwich", "profile", "bootstrap"):
        with pytest.raises(DomainError, match=f"'{kind}' needs the customers that were fitted"):
            back.table(interval=kind)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"interval": "walt"}, "did you mean 'wald'"),
        ({"interval": "bootstrap", "repeats": 1}, "repeats must be a whole number, 2 or more"),
        ({"interval": "bootstrap", "seed": -1}, "seed must be a whole number, 0 or more"),
        ({"interval": "profile", "level": 1.0}, "level must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(fit, asked, said):
    with pytest.raises(DomainError, match=said):
        fit.table(**asked)


def test_the_data_that_a_fit_keeps_are_not_the_callers(cdnow):
    h = History(x=cdnow.x, t_x=cdnow.t_x, T=cdnow.T, unit="week")
    kept = BGNBD.fit(h).data
    assert len(kept) < len(h)
    assert kept.customers == h.customers


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "crowds"), [("sandwich", 100), ("profile", 60), ("bootstrap", 30)])
def test_intervals_hold_the_truth_as_often_as_they_say(kind, crowds):
    held = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        for seed in range(crowds):
            table = BGNBD.fit(crowd(LAW, 3000, 1000 + seed)).table(interval=kind, level=0.9, repeats=80)
            held.append((table["low"] < np.array(tuple(LAW))) & (np.array(tuple(LAW)) < table["high"]))
    share = np.mean(held, axis=0)
    print(f"\n90 % {kind} intervals of BGNBD held the truth in {share.round(3)} of {crowds}", end="")  # noqa: T201
    assert np.all(np.abs(share - 0.9) < 1.5 / np.sqrt(crowds))
