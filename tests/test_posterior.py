"""Draws of the posterior: three ways to one answer, and what each says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import gamma, lognorm, norm

from custrel import from_json
from custrel.clv import BGNBD, NBD, BGCNBDk, GammaGamma, ParetoNBD, ShiftedBetaGeometric
from custrel.clv.tenures import Tenures
from custrel.errors import AssumptionWarning, DomainError
from custrel.posterior import _prior

approx = pytest.approx


@pytest.fixture(scope="module")
def small():
    return NBD.fit(crowd(NBD(r=0.8, alpha=4.0), 100, 3))


def logs(posterior):
    return np.log(np.concatenate(list(posterior.model), axis=1))


def crowd(law, n, seed):
    rng = np.random.default_rng(seed)
    return law.simulate(rng.uniform(20.0, 60.0, n), rng).history()


# -- what comes back --------------------------------------------------------------------------------------------------


def test_a_posterior_is_a_law_with_a_column_for_each_parameter(fit, cdnow):
    posterior = fit.posterior(50, seed=1)
    assert isinstance(posterior.model, BGNBD)
    assert [(50, 1)] * 4 == [value.shape for value in posterior.model]
    assert posterior.draws == 50
    assert posterior.model.unit == "week"
    assert posterior.model.p_alive(cdnow).shape == (50, 2357)


def test_draws_are_those_of_the_posterior(small):
    for method in ("laplace", "importance", "ensemble"):
        assert small.draws(9, seed=4, method=method) == small.posterior(9, seed=4, method=method).model


def test_a_posterior_reads_as_a_sentence(fit):
    said = repr(fit.posterior(1000, seed=1))
    flat = "a prior flat in the polarization and the mean of what customers differ in"
    assert said.startswith(f"Posterior of BGNBD under {flat}: 1,000 draws by importance, worth ")
    assert "Pareto k" in said


def test_the_table_holds_the_quantiles_of_the_draws(fit):
    posterior = fit.posterior(400, seed=2)
    table = posterior.table(level=0.9)
    assert ["parameter", "mean", "standard_deviation", "low", "median", "high"] == list(table.columns)
    assert_allclose(np.quantile(posterior.model.a, [0.05, 0.5, 0.95]), table.loc[2, ["low", "median", "high"]].tolist())
    assert approx(posterior.model.a.std(ddof=1)) == table["standard_deviation"][2]


@pytest.mark.parametrize("method", ["laplace", "importance", "ensemble"])
def test_the_seed_decides_the_draws(small, method):
    one, same, other = (small.draws(6, seed=s, method=method) for s in (1, 1, 2))
    assert one == same
    assert one != other


# -- that it is the right one -----------------------------------------------------------------------------------------


def test_importance_and_walkers_draw_from_one_posterior(fit):
    one, other = fit.posterior(4000, seed=1), fit.posterior(1000, seed=2, method="ensemble")
    assert one.trusted
    assert other.trusted
    assert one.effective > 3000
    error = np.sqrt(np.diag(fit.log_covariance) * (1 / one.effective + 1 / other.effective))
    assert np.all(np.abs(logs(one).mean(axis=0) - logs(other).mean(axis=0)) < 4 * error)
    assert_allclose(logs(one).std(axis=0), logs(other).std(axis=0), rtol=0.1)


@pytest.mark.parametrize(
    ("kind", "means", "spreads", "errors"),
    [
        # 116,000 steps of a random-walk Metropolis sampler on the likelihoods of lifetimes 0.11.3, under the same
        # prior: means and standard deviations of the logarithms, and the Monte Carlo errors of the means.
        (BGNBD, (-1.4156, 1.4854, -0.2417, 0.8745), (0.0519, 0.0861, 0.2372, 0.2929), (0.001, 0.0015, 0.0045, 0.0055)),
        (
            ParetoNBD,
            (-0.5986, 2.3568, -0.3628, 2.6421),
            (0.0879, 0.0810, 0.4209, 0.6473),
            (0.002, 0.0015, 0.012, 0.017),
        ),
    ],
)
def test_an_independent_sampler_finds_the_same_posterior(kind, means, spreads, errors, cdnow):
    posterior = kind.fit(cdnow).posterior(2000, seed=1)
    assert posterior.method == "importance"
    found, own = logs(posterior), np.array(spreads) / np.sqrt(posterior.effective)
    assert np.all(np.abs(found.mean(axis=0) - means) < 4 * np.hypot(own, errors))
    assert_allclose(spreads, found.std(axis=0), rtol=0.1)


def test_one_parameter_has_the_posterior_that_quadrature_finds():
    # NBD with r all but known by its prior: what is left is the density of alpha.
    h = crowd(NBD(r=1.0, alpha=5.0), 30, 1)
    fit = NBD.fit(h)
    posterior = fit.posterior(20_000, seed=1, prior={"r": lognorm(0.02, scale=fit.model.r), "alpha": gamma(3.0)})
    assert posterior.trusted
    grid = np.linspace(np.log(0.2), np.log(60), 4001)
    law = NBD(fit.model.r, np.exp(grid)[:, None])
    log_density = law.log_likelihood(h).sum(axis=1) + gamma(3.0).logpdf(np.exp(grid)) + grid
    shares = np.cumsum(np.exp(log_density - log_density.max()))
    shares /= shares[-1]
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        quantile = grid[np.searchsorted(shares, share)]
        assert approx(share, abs=0.015) == np.mean(np.log(posterior.model.alpha) < quantile)


def test_the_prior_is_flat_in_polarizations_and_means():
    law, q, step = BGNBD(r=0.7, alpha=3.0, a=0.4, b=2.0), np.log([0.7, 3.0, 0.4, 2.0]), 1e-6

    def spread_out(place):
        r, alpha, a, b = np.exp(place)
        return np.array([1 / (1 + r), np.log(r / alpha), 1 / (1 + a + b), a / (a + b)])

    slopes = [(spread_out(q + move) - spread_out(q - move)) / (2 * step) for move in step * np.eye(4)]
    _, log_density = _prior(law, "polarization")
    assert approx(np.log(abs(np.linalg.det(slopes))), rel=1e-6) == log_density(q[None])[0]


def test_the_plateau_of_customers_who_all_leave_alike_weighs_little():
    # CDNOW: at the best place with s = 1,807 the likelihood is exp(-5.36) of the peak, and so on for all s beyond.
    peak, plateau = ParetoNBD(0.5533, 10.578, 0.6062, 11.669), ParetoNBD(0.489, 10.059, 1807.2, 70114.7)
    _, log_density = _prior(peak, "polarization")
    fall = np.diff(log_density(np.array([peak.to_log(), plateau.to_log()])))[0]
    assert fall < -5
    assert _prior(peak, "log")[1](plateau.to_log()[None])[0] == 0


def test_a_flat_prior_is_the_flat_in_logarithms_times_the_parameters(fit):
    by_logs, flat = fit.posterior(8000, seed=1, prior="log"), fit.posterior(8000, seed=2, prior="flat")
    weight = np.exp(logs(by_logs).sum(axis=1))
    reweighed = np.average(logs(by_logs), axis=0, weights=weight)
    assert np.all(np.abs(reweighed - logs(flat).mean(axis=0)) < 0.1 * logs(flat).std(axis=0))
    assert "a prior flat in the parameters" in repr(flat)


def test_a_prior_that_knows_a_parameter_holds_it(fit):
    narrow = fit.posterior(2000, seed=1, prior={"a": lognorm(0.01, scale=1.2)})
    assert approx(1.2, rel=0.01) == np.median(narrow.model.a)
    assert narrow.model.b.mean() > 3.2  # a and b move together
    assert "a prior given for a, flat in the logarithms of the other parameters" in repr(narrow)


def test_many_customers_make_it_laplaces():
    fit = NBD.fit(crowd(NBD(r=0.8, alpha=4.0), 5000, 3))
    posterior = fit.posterior(8000, seed=1, prior="log")
    error = np.sqrt(np.diag(fit.log_covariance))
    assert np.all(np.abs(logs(posterior).mean(axis=0) - fit.model.to_log()) < 0.1 * error)
    assert_allclose(np.cov(logs(posterior).T), fit.log_covariance, rtol=0.08)


@pytest.mark.parametrize("kind", [ShiftedBetaGeometric, GammaGamma, BGCNBDk, ParetoNBD])
def test_every_kind_of_law_has_a_posterior(kind, cdnow):
    if kind is ShiftedBetaGeometric:
        fit = kind.fit(Tenures.from_survivors([1000, 869, 743, 653, 593, 551, 517, 491], unit="year"))
    elif kind is BGCNBDk:
        made = BGCNBDk(r=0.6, alpha=1.5, a=0.8, b=2.4, k=2)
        fit = kind.fit(made.simulate(np.full(800, 40.0), np.random.default_rng(1)).history(log_gaps=True), k=2)
    else:
        fit = kind.fit(cdnow)
    posterior = fit.posterior(500, seed=1)
    assert posterior.trusted
    assert posterior.effective > 250
    assert np.all(np.abs(logs(posterior).mean(axis=0) - fit.model.to_log()) < np.sqrt(np.diag(fit.log_covariance)))
    assert getattr(posterior.model, "k", None) == getattr(fit.model, "k", None)


# -- when it does not go well -----------------------------------------------------------------------------------------


def test_a_prior_far_from_the_peak_of_the_likelihood_is_climbed_first():
    fit = NBD.fit(crowd(NBD(r=0.8, alpha=4.0), 100, 3))
    far = {"r": norm(25.0, 0.5), "alpha": norm(125.0, 2.0)}
    posterior, walked = (fit.posterior(1000, seed=1, prior=far, method=way) for way in ("importance", "ensemble"))
    assert posterior.method == "importance"
    assert posterior.trusted
    for one, other in zip(posterior.model, walked.model, strict=True):
        assert approx(one.mean(), abs=4 * other.std() / np.sqrt(walked.effective)) == other.mean()


def test_walkers_take_over_where_the_weights_cannot_be_trusted(monkeypatch):
    monkeypatch.setattr("custrel.posterior.TRUSTED", -10.0)
    posterior = NBD.fit(crowd(NBD(r=0.8, alpha=4.0), 100, 3)).posterior(300, seed=1)
    assert posterior.method == "ensemble"
    assert "Importance weights had a Pareto k of" in posterior.findings[0]
    assert posterior.trusted
    assert np.isnan(posterior.k)


def test_walkers_who_do_not_meet_are_not_trusted(fit, monkeypatch):
    monkeypatch.setattr("custrel.posterior._STEPS", 4)
    monkeypatch.setattr("custrel.posterior._LONGEST", 4)
    with pytest.warns(AssumptionWarning, match="do not trust them") as told:
        posterior = fit.posterior(100, seed=1, method="ensemble")
    assert not posterior.trusted
    assert [__file__] == [one.filename for one in told]  # the line that asked


def test_a_fit_from_json_has_laplaces_draws_only(fit):
    back = from_json(fit.to_json())
    assert back.draws(5, seed=1) == fit.draws(5, seed=1)
    with pytest.raises(DomainError, match="draws by 'importance' need the customers"):
        back.posterior(5, seed=1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "nuts"}, "method must be one of 'laplace', 'importance', 'ensemble', got 'nuts'"),
        ({"prior": "jeffreys"}, "prior must be one of 'polarization', 'log', 'flat', got 'jeffreys'"),
        ({"prior": {"beta": gamma(2)}}, "BGNBD has no parameter 'beta'"),
        ({"prior": {"a": 3.0}}, "a must be a distribution such as scipy.stats.gamma"),
        ({"method": "laplace", "prior": "flat"}, "'laplace' are under a prior flat in logarithms"),
        ({"n": 0}, "draws must be a whole number, 1 or more"),
        ({"seed": 0.5}, "seed must be a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_asked_is_refused(fit, asked, said):
    with pytest.raises(DomainError, match=said):
        fit.posterior(**{"n": 5, "seed": 1, **asked})


def test_the_callers_random_state_is_left_alone(small):
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    small.posterior(20, seed=1)
    small.posterior(20, seed=1, method="ensemble")
    assert before == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_tables_are_of_the_callers_library(cdnow):
    fit = NBD.fit(replace(cdnow, like="polars"))
    assert "polars" in str(type(fit.posterior(30, seed=1).table()))
    assert "polars" in str(type(from_json(fit.to_json()).posterior(30, seed=1, method="laplace").table()))


def test_a_fit_may_forget_its_data(fit):
    light = replace(fit, data=None)
    assert light == fit
    assert light.draws(5, seed=1) == fit.draws(5, seed=1)
