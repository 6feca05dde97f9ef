"""Prefer: Vuong's test by hand, on customers of known laws, and what it refuses."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from custrel import Fit, History
from custrel.clv import BGBB, BGNBD, MBGNBD, NBD, BGCNBDk, GammaGamma, ParetoNBD
from custrel.clv.evidence.prefer import Preference, prefer
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.datasets import cdnow_summary
from custrel.errors import DomainError

approx = pytest.approx

GAMMA = GammaGamma(p=2.0, q=3.0, gamma=40.0)
NORMAL = LogNormalSpend(median=25.0, between=0.6, within=0.8, doubling=1.0)


@pytest.fixture(scope="module")
def history():
    return cdnow_summary()


@pytest.fixture(scope="module")
def fits(history):
    return {law: law.fit(history) for law in (BGNBD, MBGNBD, NBD, ParetoNBD, GammaGamma, LogNormalSpend)}


def spenders(x, spend, **more):
    x = np.asarray(x, dtype=float)
    return History(x=x, t_x=np.where(x > 0, 1.0, 0.0), T=np.full(x.size, 9.0), spend=spend, **more)


def judged(law, n, seed):
    """Which law of spend customers of a law prefer."""
    rng = np.random.default_rng(seed)
    x = 1 + rng.negative_binomial(1, 0.25, n)
    h = spenders(x, law.simulate(x, rng))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that single purchases scatter, or spend correlates, is no matter here
        return prefer(GammaGamma.fit(h), LogNormalSpend.fit(h), h)


# -- the test ---------------------------------------------------------------------------------------------------------


def test_vuongs_statistic_by_its_definition(history, fits):
    bought = history.take(history.x > 0)
    each = fits[LogNormalSpend].model.log_likelihood(bought) - fits[GammaGamma].model.log_likelihood(bought)
    n, penalty = 946, (4 - 3) / 2 * np.log(946)
    z = (each.sum() - penalty) / (np.sqrt(n) * np.std(each))
    found = prefer(fits[LogNormalSpend], fits[GammaGamma], history)
    assert approx(z, rel=1e-10) == found.z
    assert approx(2 * norm.sf(abs(z)), rel=1e-10) == found.p
    assert (found.first, found.second, found.n) == ("LogNormalSpend", "GammaGamma", 946)


def test_on_cdnow_the_means_do_not_tell_which_law_of_spend_is_better(history, fits):
    found = prefer(fits[LogNormalSpend], fits[GammaGamma], history)
    assert approx((-1.08, 0.28), abs=5e-3) == (found.z, found.p)
    assert found.better is None
    said = (
        "The data do not tell which of LogNormalSpend and GammaGamma is better: z = 1.08 for GammaGamma, p = 0.28, 946"
    )
    assert f"{said} customers" == repr(found)


def test_who_is_named_first_does_not_matter(history, fits):
    one, other = prefer(fits[NBD], fits[ParetoNBD], history), prefer(fits[ParetoNBD], fits[NBD], history)
    assert (one.z, one.p, one.better) == (approx(-other.z), approx(other.p), other.better)
    assert one.better == "ParetoNBD"
    assert repr(one) == repr(other)
    assert repr(one).startswith("ParetoNBD tells these data better than NBD: z = 5.72, p = 1.1e-08, 2,357 customers")


def test_what_was_chosen_beside_the_parameters_is_paid_for(history, fits):
    dearer = replace(fits[BGNBD], chosen=2)
    before, after = (prefer(fit, fits[ParetoNBD], history).z for fit in (fits[BGNBD], dearer))
    each = fits[BGNBD].model.log_likelihood(history) - fits[ParetoNBD].model.log_likelihood(history)
    assert approx(before - np.log(2357) / (np.sqrt(2357) * np.std(each))) == after


def test_customers_who_share_a_row_count_as_many(history, fits):
    few = history.distinct()
    one, other = (prefer(fits[BGNBD], fits[ParetoNBD], h) for h in (history, few))
    assert_allclose((one.z, one.p, one.n), (other.z, other.p, other.n), rtol=1e-9)
    rng = np.random.default_rng(3)
    x = 1 + rng.negative_binomial(1, 0.25, 400)
    spend, n = GAMMA.simulate(x, rng), rng.integers(1, 4, 400)
    many, shared = spenders(np.repeat(x, n), np.repeat(spend, n)), spenders(x, spend, n=n)
    one, other = (prefer(GammaGamma.fit(h), LogNormalSpend.fit(h), h) for h in (many, shared))
    assert_allclose((one.z, one.n), (other.z, other.n), rtol=1e-5)


def test_the_level_decides_what_is_told():
    found = Preference("A", "B", z=2.2, p=0.0278, n=900, level=0.95)
    assert found.better == "A"
    assert replace(found, z=-2.2).better == "B"
    assert replace(found, level=0.99).better is None


def test_customers_prefer_the_law_they_live_by():
    assert judged(GAMMA, 6000, seed=1).better == "GammaGamma"
    assert judged(NORMAL, 6000, seed=2).better == "LogNormalSpend"
    dependent = LogNormalSpend(median=25.0, between=0.5, within=0.5, doubling=1.3)
    assert judged(dependent, 2000, seed=3).better == "LogNormalSpend"


@pytest.mark.slow
def test_customers_seldom_prefer_the_law_they_do_not_live_by():
    for law, wrong in ((GAMMA, "LogNormalSpend"), (NORMAL, "GammaGamma")):
        told = [judged(law, 1500, seed).better for seed in range(60)]
        right = told.count(type(law).__name__)
        print(f"\n{type(law).__name__}: {right} of 60 right, {told.count(wrong)} wrong")  # noqa: T201
        assert told.count(wrong) <= 1
        assert right > 20


def test_laws_of_purchases_are_judged_by_their_customers():
    law = BGNBD(r=0.9, alpha=6.0, a=0.8, b=3.5)
    h = law.simulate(np.full(6000, 60.0), np.random.default_rng(5)).history()
    assert prefer(BGNBD.fit(h), NBD.fit(h), h).better == "BGNBD"


def test_customers_without_a_mean_have_no_vote(history, fits):
    bought = history.take(history.x > 0)
    one, other = (prefer(fits[LogNormalSpend], fits[GammaGamma], h) for h in (history, bought))
    assert one == other


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_laws_of_different_kinds_are_refused(history, fits):
    with pytest.raises(DomainError, match="BGNBD is a law of purchases at any moment, GammaGamma one of spend"):
        prefer(fits[BGNBD], fits[GammaGamma], history)
    steps = BGBB(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8).simulate(np.full(900, 6.0), np.random.default_rng(1))
    h = steps.history()
    with pytest.raises(DomainError, match="BGBB is a law of purchases at opportunities, NBD one of purchases at any"):
        prefer(BGBB.fit(h), NBD.fit(h), h)


def test_one_law_twice_is_refused(history, fits):
    with pytest.raises(DomainError, match="needs fits of two laws, got BGNBD twice"):
        prefer(fits[BGNBD], fits[BGNBD], history)


def test_laws_that_say_the_same_of_everyone_are_refused(history, fits):
    class Twin(NBD):
        pass

    twin = replace(fits[NBD], model=Twin(*fits[NBD].model, unit="week"))
    with pytest.raises(DomainError, match="NBD and Twin say the same of every customer"):
        prefer(fits[NBD], twin, history)


def test_another_history_is_refused(history, fits):
    fewer = history.take(slice(0, 2000))
    with pytest.raises(DomainError, match="BGNBD was fitted to 2,357 customers, of whom this history tells 2,000"):
        prefer(fits[BGNBD], fits[NBD], fewer)
    longer = replace(history, T=history.T + 1)
    with pytest.raises(
        DomainError, match="BGNBD was fitted to another history: its log-likelihood was -9,582.43 there"
    ):
        prefer(fits[BGNBD], fits[NBD], longer)
    with pytest.raises(DomainError, match="ParetoNBD was fitted to"):
        prefer(NBD.fit(fewer), fits[ParetoNBD], fewer)
    with pytest.raises(DomainError, match="this history has none"):
        prefer(fits[GammaGamma], fits[LogNormalSpend], replace(history, spend=None))


@pytest.mark.parametrize("wrong", [NBD, NBD(1, 1), "NBD", None], ids=str)
def test_what_is_no_fit_is_refused(history, fits, wrong):
    for pair in ((wrong, fits[NBD]), (fits[NBD], wrong)):
        with pytest.raises(DomainError, match="prefer needs two fits of laws of purchases, or of spend"):
            prefer(*pair, history)


def test_what_is_no_history_or_no_level_is_refused(history, fits):
    assert isinstance(fits[NBD], Fit)
    with pytest.raises(DomainError, match="prefer needs a History"):
        prefer(fits[BGNBD], fits[NBD], history.x)
    with pytest.raises(DomainError, match="level must lie between 0 and 1, got 95"):
        prefer(fits[BGNBD], fits[NBD], history, level=95)


def test_two_fits_of_one_law_with_another_k_are_two_laws():
    h = BGCNBDk(0.8, 6.0, 0.8, 2.4, k=3).simulate(np.full(3000, 40.0), np.random.default_rng(1)).history(log_gaps=True)
    found = prefer(BGCNBDk.fit(h, k=2), BGCNBDk.fit(h, k=3), h)
    assert "BGCNBDk with k = 3" == found.better


# -- one law with unlike covariates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def movers():
    """Customers of the web, who buy more often; an age and a taste that do not matter."""
    rng = np.random.default_rng(1)
    known = {
        "web": rng.integers(0, 2, 1500).astype(float),
        "age": rng.normal(size=1500),
        "taste": rng.normal(size=1500),
    }
    law = BGNBD(r=0.8, alpha=6 * np.exp(-0.9 * known["web"]), a=np.float64(0.8), b=np.float64(2.5))
    return replace(law.simulate(np.full(1500, 40.0), rng).history(), covariates=known)


def test_unlike_covariates_of_one_law_are_judged_by_the_customers(movers):
    web, age, taste = (BGNBD.fit(movers, purchase=[name]) for name in ("web", "age", "taste"))
    found = prefer(web, age, movers)
    assert ("BGNBD with purchase: web", "BGNBD with purchase: age") == (found.first, found.second)
    assert "BGNBD with purchase: web" == found.better
    each = web.model.log_likelihood(movers) - age.model.log_likelihood(movers)
    assert approx(each.sum() / (np.sqrt(1500) * np.std(each)), rel=1e-10) == found.z
    assert prefer(age, taste, movers).better is None
    assert "BGNBD with purchase: age" == prefer(age, BGNBD.fit(movers, dropout=["age"]), movers).first


def test_covariates_that_hold_the_other_ones_are_a_case_for_the_likelihood_ratio(movers):
    none, web = BGNBD.fit(movers), BGNBD.fit(movers, purchase=["web"])
    more = BGNBD.fit(movers, purchase=["web", "age"])
    for pair in ((none, web), (web, more), (more, web)):
        with pytest.raises(DomainError, match=r"which is a case of it: ask clv.likelihood_ratio\(smaller, larger\)"):
            prefer(*pair, movers)
    with pytest.raises(DomainError, match="got BGNBD with covariates twice"):
        prefer(web, web, movers)


@pytest.mark.slow
def test_covariates_that_do_not_matter_are_seldom_preferred():
    law, told = NBD(r=0.8, alpha=6.0), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        h = law.simulate(np.full(400, 40.0), rng).history()
        h = replace(h, covariates={"age": rng.normal(size=400), "taste": rng.normal(size=400)})
        told.append(prefer(*(NBD.fit(h, purchase=[name]) for name in ("age", "taste")), h).better)
    assert sum(better is not None for better in told) <= 10
