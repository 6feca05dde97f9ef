"""Inference data: what ArviZ, old or new, is given, and what it makes of it."""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History
from custrel.clv import BGNBD, GammaGamma, ShiftedBetaGeometric, Tenures
from custrel.errors import DomainError, MissingExtraError

approx = pytest.approx


@pytest.fixture(scope="module")
def az():
    """ArviZ; what it warns of on import is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("arviz", reason="ArviZ is not installed")


@pytest.fixture(scope="module")
def posterior(fit):
    return fit.posterior(400, seed=1)


def test_without_arviz_the_extra_is_named(posterior, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(MissingExtraError, match=r'this needs .arviz.; install it with: pip install "custrel\[arviz\]"'):
        posterior.to_arviz()


def test_draws_stand_in_one_chain_under_their_names(az, posterior):
    group = posterior.to_arviz()["posterior"]
    assert {"r", "alpha", "a", "b"} == set(group.data_vars)
    assert {"chain": 1, "draw": 400} == dict(group.sizes)
    for name, draws in zip(posterior.model.names(), posterior.model, strict=True):
        assert ("chain", "draw") == group[name].dims
        assert_allclose(draws[:, 0], group[name].to_numpy()[0])


def test_attributes_say_how_the_draws_were_made(az, posterior, fit):
    said = posterior.to_arviz()["posterior"].attrs
    known = ("BGNBD", "importance", posterior.prior, posterior.effective, posterior.k, "week", "custrel")
    names = ("law", "method", "prior", "effective", "k", "unit", "inference_library")
    assert known == tuple(said[name] for name in names)
    assert not {"r_hat", "findings"} & set(said)
    walked = fit.posterior(50, seed=1, method="ensemble")
    said = replace(walked, findings=("One.", "Two.")).to_arviz().posterior.attrs
    assert (walked.r_hat, "One. Two.") == (said["r_hat"], said["findings"])
    assert "k" not in said


def test_the_log_likelihood_is_that_of_each_customer_under_each_draw(az, posterior, cdnow):
    group = posterior.to_arviz(cdnow)["log_likelihood"]
    assert {"chain": 1, "draw": 400, "customer": 2357} == dict(group.sizes)
    assert cdnow.customer_id.tolist() == group["customer"].to_numpy().tolist()
    assert_allclose(posterior.model.log_likelihood(cdnow), group["log_likelihood"].to_numpy()[0], rtol=1e-12)


def test_rows_of_many_customers_are_told_one_by_one(az, posterior, cdnow, fit):
    few, many = (posterior.to_arviz(data)["log_likelihood"]["log_likelihood"] for data in (fit.data, cdnow))
    assert few.shape == many.shape
    assert_allclose(np.sort(few.to_numpy()[0, 0]), np.sort(many.to_numpy()[0, 0]), rtol=1e-12)
    assert [0, 1, 2] == few["customer"].to_numpy()[:3].tolist()


def test_of_a_law_of_spend_only_who_spent_is_told(az, cdnow):
    posterior = GammaGamma.fit(cdnow).posterior(100, seed=1)
    group = posterior.to_arviz(cdnow)["log_likelihood"]
    assert 946 == group.sizes["customer"]
    assert cdnow.customer_id[cdnow.x > 0].tolist() == group["customer"].to_numpy().tolist()


def test_contracts_are_told_one_by_one(az):
    tenures = Tenures.from_survivors([1000, 869, 743, 653, 593], unit="year")
    posterior = ShiftedBetaGeometric.fit(tenures).posterior(60, seed=1)
    groups = posterior.to_arviz(tenures)
    assert 1000 == groups["log_likelihood"].sizes["customer"]
    assert "year" == groups["posterior"].attrs["unit"]


def test_loo_agrees_with_the_peak_less_a_penalty_for_each_parameter(az, posterior, cdnow, fit):
    found = az.loo(posterior.to_arviz(cdnow))
    worth = getattr(found, "elpd_loo", None)
    worth = found.elpd if worth is None else worth
    assert approx(fit.log_likelihood - 4, abs=1.5) == float(worth)


def test_what_is_no_customer_is_refused(az, posterior, cdnow):
    with pytest.raises(DomainError, match="needs the customers as a History or Tenures, got ndarray"):
        posterior.to_arviz(cdnow.x)
    parts = History(x=[2, 0], t_x=[3, 0], T=[4, 4], n=[1.0, 2.5])
    with pytest.raises(DomainError, match="1 of 2 rows stand for parts of customers, the first for 2.5"):
        posterior.to_arviz(parts)
    crowd = History(x=[2, 0], t_x=[3, 0], T=[4, 4], n=[1.0, 1e6])
    said = "400 draws of 1,000,001 customers are 400,000,400 numbers, more than 67,108,864: take 67 draws or fewer"
    with pytest.raises(DomainError, match=said):
        posterior.to_arviz(crowd)


def test_covariates_are_told_by_the_history(az):
    rng = np.random.default_rng(1)
    web = rng.integers(0, 2, 300).astype(float)
    law = BGNBD(r=0.8, alpha=6 * np.exp(-0.6 * web), a=0.8, b=2.5)
    h = replace(law.simulate(np.full(300, 40.0), rng).history(), covariates={"web": web})
    posterior = BGNBD.fit(h, purchase=["web"]).posterior(30, seed=1, method="laplace")
    groups = posterior.to_arviz(h)
    assert "purchase: web" in groups["posterior"].data_vars
    assert "BGNBD with covariates" == groups["posterior"].attrs["law"]
    assert_allclose(posterior.model.log_likelihood(h), groups["log_likelihood"]["log_likelihood"].to_numpy()[0])
