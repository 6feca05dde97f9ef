"""Likelihood ratio: published maxima, what it does by chance, and which pairs are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from custrel import from_json
from custrel.clv import (
    BGNBD,
    MBGNBD,
    NBD,
    BetaDiscreteWeibull,
    BGCNBDk,
    GGompertzNBD,
    MBGCNBDk,
    ParetoNBD,
    ShiftedBetaGeometric,
    Tenures,
)
from custrel.clv.evidence.likelihood_ratio import LikelihoodRatio, likelihood_ratio
from custrel.clv.evidence.nested import NESTED, Nesting
from custrel.datasets import cdnow
from custrel.errors import ConvergenceError, DomainError

approx = pytest.approx

CONTRACTS = ShiftedBetaGeometric, BetaDiscreteWeibull
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


def of_contracts(survivors, **more):
    tenures = Tenures.from_survivors(survivors, unit="year")
    return likelihood_ratio(*(law.fit(tenures) for law in CONTRACTS), **more)


@pytest.fixture(scope="module")
def leavers():
    """Customers who do."""
    return BGNBD(r=0.9, alpha=6.0, a=0.8, b=2.5).simulate(np.full(600, 40.0), np.random.default_rng(5)).history()


@pytest.fixture(scope="module")
def movers():
    """Customers of the web, who buy more often, and customers of an age that does not matter."""
    rng = np.random.default_rng(1)
    web, age = rng.integers(0, 2, 1500).astype(float), rng.normal(size=1500)
    law = BGNBD(r=0.8, alpha=6 * np.exp(-0.6 * web), a=np.float64(0.8), b=np.float64(2.5))
    return replace(law.simulate(np.full(1500, 40.0), rng).history(), covariates={"web": web, "age": age})


# -- the statistic and its chances ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("survivors", "smaller", "larger"),
    [(REGULAR, -1680.265188463287, -1679.6028329071783), (HIGH_END[:5], -1225.1349070416125, -1222.7493182408218)],
    ids=["regular, 7 years", "high end, 4 years"],
)
def test_the_published_cohorts_of_fader_and_hardie_2007_by_their_maxima_at_35_digits(survivors, smaller, larger):
    found = of_contracts(survivors)
    statistic = 2 * (larger - smaller)
    assert approx(statistic, abs=1e-6) == found.statistic
    assert approx(chi2.sf(statistic, 1), rel=1e-5) == found.p
    assert (1, "chi-square", True, 1000) == (found.freedom, found.method, found.inside, found.n)


def test_four_years_of_high_end_customers_ask_for_duration_dependence_and_the_regular_ones_do_not():
    assert (True, False) == (of_contracts(HIGH_END[:5]).needed, of_contracts(REGULAR).needed)
    assert not of_contracts(HIGH_END[:5], level=0.99).needed
    said = "The data do not ask for BetaDiscreteWeibull: ShiftedBetaGeometric, its case where c = 1, does as well:"
    assert f"{said} statistic 1.32, p = 0.25 by chi-square, 1,000 customers" == repr(of_contracts(REGULAR))


def test_mixtures_of_chi_squares_by_their_parts():
    for x in (0.01, 1.0, 2.706, 9.0):
        assert approx(chi2.sf(x, 1) / 2) == Nesting("", {0: 0.5, 1: 0.5}).p_value(x)
        assert approx((chi2.sf(x, 1) + chi2.sf(x, 2)) / 2) == Nesting("", {1: 0.5, 2: 0.5}).p_value(x)
        assert approx(chi2.sf(x, 4)) == Nesting("", {4: 1.0}).p_value(x)
    assert 1.0 == Nesting("", {0: 0.5, 1: 0.5}).p_value(0.0)
    assert all(approx(1.0) == sum(nesting.chances.values()) for nesting in NESTED.values() if nesting.chances)


@pytest.mark.slow
def test_without_duration_dependence_p_is_uniform():
    rng, law = np.random.default_rng(3), ShiftedBetaGeometric(alpha=1.5, beta=4.0, unit="year")
    p = []
    for _ in range(150):
        tenures = law.simulate(1500, rng, watched=8)
        p.append(likelihood_ratio(*(law.fit(tenures) for law in CONTRACTS)).p)
    assert kstest(p, "uniform").pvalue > 0.01


def test_effects_of_covariates_by_wilks(movers):
    none, web = BGNBD.fit(movers), BGNBD.fit(movers, purchase=["web"])
    every = BGNBD.fit(movers, purchase=["web", "age"], dropout=["web", "age"])
    shared = BGNBD.fit(movers, purchase=["web", "age"], dropout=["web", "age"], shared=["age"])
    one, other = likelihood_ratio(none, web), likelihood_ratio(web, every)
    assert (1, True) == (one.freedom, one.needed)
    assert (3, False) == (other.freedom, other.needed)
    assert approx(2 * (every.log_likelihood - web.log_likelihood)) == other.statistic
    assert approx(chi2.sf(other.statistic, 3)) == other.p
    assert 1 == likelihood_ratio(shared, every).freedom
    assert 2 == likelihood_ratio(web, shared).freedom
    assert repr(one).startswith(
        "BGNBD with 1 effect tells these data better than BGNBD, its case where purchase: web = 0"
    )
    assert "where 1 effect is 0, or shared" in repr(likelihood_ratio(shared, every))
    assert likelihood_ratio(none, web, movers) == one


def test_a_law_with_other_covariates_is_no_case(movers):
    web, age = BGNBD.fit(movers, purchase=["web"]), BGNBD.fit(movers, purchase=["age"])
    both = BGNBD.fit(movers, purchase=["web", "age"], dropout=["web", "age"])
    shared = BGNBD.fit(movers, purchase=["web", "age"], dropout=["web", "age"], shared=["web"])
    for pair in ((web, age), (both, shared), (both, web), (web, BGNBD.fit(movers)), (web, shared)):
        with pytest.raises(DomainError, match="is no case of"):
            likelihood_ratio(*pair)
    with pytest.raises(DomainError, match="'split' fits laws of purchases without covariates again"):
        likelihood_ratio(BGNBD.fit(movers), web, method="split")


@pytest.mark.slow
def test_leaving_that_hastens_with_age_lies_on_the_edge():
    law = GGompertzNBD(r=1.0, alpha=2.0, b=0.03, s=0.4, beta=0.3)
    h = law.simulate(np.full(6000, 70.0), np.random.default_rng(1)).history()
    found = likelihood_ratio(ParetoNBD.fit(h), GGompertzNBD.fit(h))
    assert ("chi-square", False, 1) == (found.method, found.inside, found.freedom)
    assert approx(chi2.sf(found.statistic, 1) / 2) == found.p


# -- where no table holds ---------------------------------------------------------------------------------------------


def test_customers_who_leave_ask_for_a_law_in_which_they_do(leavers):
    smaller = NBD.fit(leavers)
    for law in (BGNBD, MBGNBD):
        found = likelihood_ratio(smaller, law.fit(leavers))
        assert ("split", False, True) == (found.method, found.inside, found.needed)
        assert found.p > chi2.sf(found.statistic, 1) / 2  # what it would be if b, too, were known
    assert " = 0.1 by bootstrap" in repr(likelihood_ratio(smaller, BGNBD.fit(leavers), method="bootstrap", repeats=9))


def test_the_same_seed_gives_the_same_p(leavers):
    pair = NBD.fit(leavers), BGNBD.fit(leavers)
    for method in ("split", "bootstrap"):
        one, other, third = (likelihood_ratio(*pair, method=method, repeats=1, seed=seed) for seed in (1, 1, 2))
        assert one == other
        assert method == "bootstrap" or one.p != third.p


def test_rows_of_many_customers_are_split_and_simulated_one_by_one(leavers):
    whole = replace(leavers, t_x=np.minimum(np.ceil(leavers.t_x), leavers.T), grain="week")
    smaller, larger = NBD.fit(whole), BGNBD.fit(whole)
    assert larger.data.n.max() > 20
    few, many = (likelihood_ratio(smaller, larger, h) for h in (None, whole))
    assert few.needed
    assert many.needed
    one, other = (likelihood_ratio(smaller, larger, h, method="bootstrap", repeats=1) for h in (None, whole))
    assert one == other


def test_regular_purchases_ask_for_a_k_that_is_chosen():
    h = BGCNBDk(1.0, 4.0, 0.8, 2.4, k=2).simulate(np.full(700, 40.0), np.random.default_rng(1)).history(log_gaps=True)
    smaller, larger = BGNBD.fit(h), BGCNBDk.fit(h)
    found = likelihood_ratio(smaller, larger, h)
    assert (1, True) == (found.freedom, found.needed)
    assert likelihood_ratio(smaller, larger, method="bootstrap", repeats=1).p == approx(1 / 2)
    with pytest.raises(DomainError, match="give the history as h, made with"):
        likelihood_ratio(smaller, larger)
    with pytest.raises(DomainError, match="BGNBD is no case of BGCNBDk with k = 2 that is known here"):
        likelihood_ratio(smaller, replace(larger, chosen=0), h)


def test_purchases_at_random_do_not_ask_for_regularity():
    h = cdnow().history(until="1997-09-30", unit="week", log_gaps=True)
    for smaller, larger in ((BGNBD, BGCNBDk), (MBGNBD, MBGCNBDk)):
        fit = larger.fit(h)
        found = likelihood_ratio(smaller.fit(h), fit, h, method="bootstrap", repeats=1)
        assert (1, 1.0) == (fit.model.k, found.p)
        assert approx(0.0, abs=1e-4) == found.statistic
    for law in (BGCNBDk.fit(h, k=1), ParetoNBD.fit(h)):
        assert likelihood_ratio(NBD.fit(h), law, h).needed


@pytest.mark.slow
def test_by_chance_a_split_is_below_a_level_in_no_more_than_that_share_and_a_bootstrap_in_about_it():
    rng, low, drawn = np.random.default_rng(11), [], []
    for seed in range(60):
        h = NBD(r=0.8, alpha=6.0).simulate(np.full(200, 30.0), rng).history()
        smaller = NBD.fit(h)
        try:
            larger = BGNBD.fit(h)
        except ConvergenceError:  # nothing to test: the data do not ask for more
            low.append(1.0)
            drawn.append(1.0)
            continue
        low.append(likelihood_ratio(smaller, larger, seed=seed).p)
        drawn.append(likelihood_ratio(smaller, larger, method="bootstrap", repeats=9, seed=seed).p)
    assert np.mean(np.less(low, 0.2)) <= 0.2
    assert np.mean(np.less_equal(drawn, 0.2)) <= 0.35


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_laws_that_are_not_nested_are_sent_to_prefer(leavers):
    with pytest.raises(DomainError, match="BGNBD is no case of MBGNBD that is known here: ask clv.prefer"):
        likelihood_ratio(BGNBD.fit(leavers), MBGNBD.fit(leavers))
    with pytest.raises(DomainError, match="the other way round it may be: give the smaller law first"):
        likelihood_ratio(BGNBD.fit(leavers), NBD.fit(leavers))
    with pytest.raises(DomainError, match="NBD is no case of NBD"):
        likelihood_ratio(NBD.fit(leavers), NBD.fit(leavers))


def test_a_larger_law_that_is_below_its_case_did_not_find_its_top(leavers):
    smaller, larger = NBD.fit(leavers), BGNBD.fit(leavers)
    lower = replace(larger, log_likelihood=smaller.log_likelihood - 1)
    with pytest.raises(
        ConvergenceError, match="below the .* of NBD, which is a case of it: its search ended on a lower"
    ):
        likelihood_ratio(smaller, lower)


def test_other_customers_are_refused(leavers):
    fewer = leavers.take(slice(0, 500))
    later = replace(leavers, T=leavers.T + 1)
    smaller, larger = NBD.fit(leavers), BGNBD.fit(leavers)
    for others in (fewer, later):
        with pytest.raises(DomainError, match="who are not the same: fit both to one history"):
            likelihood_ratio(smaller, BGNBD.fit(others))
        with pytest.raises(DomainError, match="NBD was fitted to 600 customers with a log-likelihood of"):
            likelihood_ratio(smaller, larger, others)
    with pytest.raises(DomainError, match="h must be the History or Tenures that was fitted, got ndarray"):
        likelihood_ratio(smaller, larger, leavers.x)


def test_fits_from_json_need_the_history(leavers):
    smaller, larger = (from_json(law.fit(leavers).to_json()) for law in (NBD, BGNBD))
    with pytest.raises(DomainError, match="which JSON does not carry"):
        likelihood_ratio(smaller, larger)
    assert likelihood_ratio(smaller, larger, leavers).needed


def test_the_edge_has_no_table_where_other_parameters_mean_nothing(leavers):
    with pytest.raises(DomainError, match="NBD is BGNBD where nobody leaves; there other parameters mean nothing"):
        likelihood_ratio(NBD.fit(leavers), BGNBD.fit(leavers), method="chi-square")


def test_contracts_are_neither_split_nor_simulated():
    for method in ("split", "bootstrap"):
        with pytest.raises(DomainError, match=f"'{method}' fits laws of purchases .* ask for 'chi-square'"):
            of_contracts(HIGH_END, method=method)


def test_what_is_no_choice_is_refused(leavers):
    smaller, larger = NBD.fit(leavers), BGNBD.fit(leavers)
    for wrong, said in (
        ({"method": "wald"}, "method must be one of 'chi-square', 'split', 'bootstrap'"),
        ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ({"repeats": 0}, "repeats must be a whole number, 1 or more, got 0"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, got -1"),
    ):
        with pytest.raises(DomainError, match=said):
            likelihood_ratio(smaller, larger, **wrong)
    with pytest.raises(DomainError, match="needs two fits, the smaller law's first, got <class"):
        likelihood_ratio(NBD, larger)
    parts = replace(leavers, n=np.full(600, 0.5))
    with pytest.raises(DomainError, match="n must be whole to take single customers; 600 of 600 rows are not"):
        likelihood_ratio(NBD.fit(parts), BGNBD.fit(parts), parts)


def test_a_result_knows_what_it_says():
    found = LikelihoodRatio(
        "A", "B", "c = 1", inside=False, statistic=5.0, freedom=1, p=0.04, n=900, method="split", level=0.95
    )
    assert (
        "B tells these data better than A, its case where c = 1: statistic 5.00, p <= 0.04 by split, 900 customers"
        == repr(found)
    )
    assert not replace(found, level=0.99).needed
    assert repr(replace(found, p=0.2)).endswith(
        "p <= 0.2 by split, 900 customers (a split is cautious; a bootstrap may see more)"
    )
    assert "p < 1e-300 by bootstrap" in repr(replace(found, p=0.0, method="bootstrap"))
