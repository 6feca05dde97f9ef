"""A law with covariates: the law of each customer, fitted, asked and told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, clv, from_json
from custrel.clv import (
    BGBB,
    BGNBD,
    MBGNBD,
    NBD,
    BetaDiscreteWeibull,
    BGCNBDk,
    GammaGamma,
    GGompertzNBD,
    LifetimeValue,
    LogNormalSpend,
    MBGCNBDk,
    ParetoGGG,
    ParetoNBD,
    ShiftedBetaGeometric,
    Tenures,
)
from custrel.covariates import WithCovariates, asked_of
from custrel.design import design_of
from custrel.errors import ConvergenceError, DomainError, SchemaError
from custrel.frames import leave
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

PURCHASES = [
    BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426),
    MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614),
    NBD(r=0.385, alpha=12.072),
    ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669),
    GGompertzNBD(r=0.8, alpha=1.5, b=0.12, s=0.6, beta=20.0),
    BGCNBDk(r=0.6, alpha=1.5, a=0.8, b=2.4, k=2),
    MBGCNBDk(r=0.9, alpha=2.0, a=0.9, b=1.6, k=3),
    ParetoGGG(t=2.0, gamma=1.0, r=0.6, alpha=3.0, s=0.6, beta=12.0),
    BGBB(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8),
]
each_law = pytest.mark.parametrize("law", PURCHASES, ids=lambda law: type(law).__name__)


def known_of(customers, rng):
    return {"age": rng.normal(40, 10, customers), "web": (rng.random(customers) < 0.4).astype(float)}


def crowd(law, customers, seed, **effects):
    """Customers of a law whose processes are moved, by ten years of age and by the web."""
    rng = np.random.default_rng(seed)
    known = known_of(customers, rng)
    moved = law
    for process, (of_age, of_web) in effects.items():
        moved = moved.hastened(process, of_age * (known["age"] - 40) / 10 + of_web * known["web"])
    T = np.full(customers, 12.0) if isinstance(law, BGBB) else rng.uniform(10, 60, customers)
    return replace(moved.simulate(T, rng).history(log_gaps=True), covariates=known)


def moved_law(law, h, seed=0):
    """The law with effects of all covariates on all processes."""
    designs = {process: design_of(["age", "web"], h.covariates) for process in law.moves}
    count = 2 * len(designs)
    effects = np.random.default_rng(seed).normal(size=count) * np.tile([0.03, 0.5], count // 2)
    return WithCovariates(law, effects, designs)


# -- each law ---------------------------------------------------------------------------------------------------------


@each_law
def test_covariates_of_zero_change_nothing(law):
    h = crowd(law, 30, 1)
    for process in law.moves:
        moved = law.hastened(process, np.zeros(len(h)))
        assert_allclose(law.log_likelihood(h), moved.log_likelihood(h), rtol=1e-13)


@each_law
def test_a_customers_answers_are_those_of_their_own_law(law):
    h = crowd(law, 20, 2)
    moved, rows = moved_law(law, h), [0, 7, 19]
    own = [moved.like(age=h.covariates["age"][i], web=h.covariates["web"][i]) for i in rows]
    questions = {
        "log_likelihood": lambda law, h: law.log_likelihood(h),
        "p_alive": lambda law, h: law.p_alive(h),
        "p_alive later": lambda law, h: law.p_alive(h, 5.0),
        "p_active": lambda law, h: law.p_active(h, 5.0),
        "expected_purchases": lambda law, h: law.expected_purchases(h, 9.0),
        "probability": lambda law, h: law.probability(2, h, 9.0),
        "later": lambda law, h: law.probability(1, h, 5.0, since=3.0),
        "discounted": lambda law, h: law.discounted_expected_purchases(h, 9.0, annual_discount_rate=0.1),
        "rate": lambda law, h: law.mean_purchase_rate(h),
        "dropout": lambda law, h: law.mean_dropout(h),
    }
    for name, ask in questions.items():
        alone = [float(np.ravel(ask(one, h.take([i])))[0]) for one, i in zip(own, rows, strict=True)]
        assert_allclose(alone, np.asarray(ask(moved, h))[rows], rtol=1e-9, err_msg=name)


@each_law
def test_a_customers_future_is_that_of_their_own_law(law):
    h = crowd(law, 12, 3)
    moved = moved_law(law, h)

    def lived(law, h):
        numbers, total = SharedNumbers(7, 1), np.zeros(7 * len(h))
        for cells, times in law.future(h, numbers).purchases(9.0, numbers):
            total[cells] += 1 + times
        return total.reshape(7, -1)

    whole = lived(moved, h)
    for i in (0, 5, 11):
        own = moved.like(age=h.covariates["age"][i], web=h.covariates["web"][i])
        assert_allclose(lived(own, h.take([i]))[:, 0], whole[:, i], rtol=1e-9)


@each_law
def test_score_and_hessian_are_those_of_the_likelihood(law):
    h = crowd(law, 10 if isinstance(law, ParetoGGG) else 25, 4)
    asked = {process: ["age", "web"] for process in law.moves}
    data, moved = asked_of(type(law), h, asked, ())
    rows = moved.rows(data)
    around = moved_law(law, h)
    place = around.to_log()
    steps = 1e-5 * np.eye(place.size)

    def height(at):
        return around.at_log(at).log_likelihood(rows) @ rows.weights

    def slope(at):
        model = around.at_log(at)
        return model.stretch(at) * (model.score(rows) @ rows.weights)

    by_steps = [(height(place + step) - height(place - step)) / 2e-5 for step in steps]
    assert_allclose(by_steps, slope(place), rtol=1e-5, atol=1e-5 * np.abs(by_steps).max())
    curved = np.array([(slope(place + 10 * step) - slope(place - 10 * step)) / 2e-4 for step in steps])
    found = around.log_hessian(rows, step=1e-4, central=True)
    assert_allclose(curved, found, atol=1e-6 * np.abs(curved).max())
    rough = around.log_hessian(rows, step=1e-6, central=False)
    assert_allclose(curved, rough, atol=1e-3 * np.abs(curved).max())


@pytest.mark.parametrize(
    "law",
    [law for law in PURCHASES if not isinstance(law, ParetoGGG | GGompertzNBD)],
    ids=lambda law: type(law).__name__,
)
def test_a_fit_finds_the_effects_that_made_the_data(law):
    true = {"purchase": (0.2, 0.5), "dropout": (-0.3, 0.6)}
    h = crowd(law, 4000, 5, **{process: true[process] for process in law.moves})
    asked = {process: ["age", "web"] for process in law.moves}
    fit = type(law).fit(h, **asked, **({"k": law.k} if hasattr(law, "k") else {}))
    effects = np.concatenate([np.array(true[process]) / [10, 1] for process in law.moves])
    k = len(law.names())
    assert np.abs((fit.parameters[k:] - effects) / fit.standard_errors[k:]).max() < 3.5
    assert fit.diagnosis.is_peak
    assert fit.log_likelihood > type(law).fit(h, **({"k": law.k} if hasattr(law, "k") else {})).log_likelihood


# -- other kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        GammaGamma(p=6.0, q=4.0, gamma=15.0),
        LogNormalSpend(median=30.0, between=0.5, within=0.6, doubling=1.1),
    ],
    ids=lambda law: type(law).__name__,
)
def test_a_fit_of_spend_finds_the_effects_that_made_the_data(law):
    h = crowd(BGNBD(r=0.9, alpha=2.0, a=0.8, b=2.5), 4000, 6)
    z = 0.02 * (h.covariates["age"] - 40) + 0.3 * h.covariates["web"]
    rng = np.random.default_rng(7)
    h = replace(h, spend=law.hastened("spend", z).simulate(h.x, rng))
    fit = type(law).fit(h, spend=["age", "web"])
    k = len(law.names())
    assert np.abs((fit.parameters[k:] - [0.02, 0.3]) / fit.standard_errors[k:]).max() < 3.5
    own = fit.model.of(h)
    assert_array_equal(own.expected_spend(h), fit.model.expected_spend(h))


@pytest.mark.parametrize("law", [ShiftedBetaGeometric, BetaDiscreteWeibull])
def test_a_fit_of_contracts_finds_the_effects_that_made_the_data(law):
    rng = np.random.default_rng(8)
    age, plan = rng.normal(40, 10, 5000).round(), rng.choice(["basic", "gold"], 5000)
    z = -0.03 * (age - 40) - 0.6 * (plan == "gold")
    true = ShiftedBetaGeometric(alpha=0.7, beta=3.0).hastened("dropout", z)
    lasts = rng.geometric(rng.beta(true.alpha, true.beta))
    frame = {"span": np.minimum(lasts, 8), "ended": lasts <= 8, "age": age, "plan": plan}
    tenures = Tenures.from_spans(pd.DataFrame(frame), unit="year", covariates=["age", "plan"])
    fit = law.fit(tenures, dropout=["age", "plan"])
    assert 5000 == fit.n
    assert np.abs((fit.parameters[-2:] - [-0.03, -0.6]) / fit.standard_errors[-2:]).max() < 3.5


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_contracts_bring_their_covariates_from_a_frame(library):
    frame = {
        "span": [1, 3, 3, 3],
        "ended": [True, True, False, True],
        "age": [31, 32, 32, 32],
        "plan": ["a", "b", "b", "b"],
    }
    tenures = Tenures.from_spans(
        leave({k: np.array(v) for k, v in frame.items()}, like=library), unit="year", covariates=["age", "plan"]
    )
    assert_array_equal([1.0, 3.0, 3.0], tenures.age)
    assert_array_equal([1.0, 1.0, 2.0], tenures.n)
    assert_array_equal([31.0, 32.0, 32.0], tenures.covariates["age"])
    assert ["a", "b", "b"] == tenures.covariates["plan"].tolist()


# -- fitting ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def h():
    return crowd(BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4), 3000, 9, purchase=(0.3, 0.5), dropout=(0.0, 0.6))


@pytest.fixture(scope="module")
def fit(h):
    return BGNBD.fit(h, purchase=["age", "web"], dropout=["web"])


def test_the_fit_stands_at_the_peak_of_the_likelihood(h, fit):
    """Another optimiser, which knows no slope, climbs no higher from near it."""
    from scipy.optimize import minimize

    def lost(place):
        return -fit.model.at_log(place).log_likelihood(h).sum()

    near = fit.model.to_log() + 0.05
    found = minimize(lost, near, method="Powell", options={"xtol": 1e-9, "ftol": 1e-14})
    assert approx(found.fun, abs=1e-6) == -fit.log_likelihood
    assert_allclose(found.x, fit.model.to_log(), atol=1e-3)


def test_standard_errors_are_those_of_the_curvature(h, fit):
    place, steps = fit.model.to_log(), 1e-3 * np.eye(7)

    def height(at):
        return fit.model.at_log(at).log_likelihood(h).sum()

    curved = [[(height(place + a + b) - height(place + a - b) - height(place - a + b) + height(place - a - b)) / 4e-6
               for a in steps] for b in steps]  # fmt: skip
    assert_allclose(np.linalg.inv(-np.array(curved)), fit.log_covariance, rtol=2e-3, atol=1e-6)


def test_an_effect_does_not_depend_on_the_scale_of_its_covariate(h, fit):
    known = {"years": 1000 * h.covariates["age"] + 5e6, "web": h.covariates["web"]}
    other = BGNBD.fit(replace(h, covariates=known), purchase=["years", "web"], dropout=["web"])
    assert approx(fit.log_likelihood, abs=1e-6) == other.log_likelihood
    assert approx(fit.parameters[4] / 1000, rel=1e-6) == other.parameters[4]
    assert approx(fit.standard_errors[4] / 1000, rel=1e-6) == other.standard_errors[4]
    assert_allclose(fit.model.p_alive(h), other.model.p_alive(replace(h, covariates=known)), rtol=1e-6)


def test_effects_that_are_shared_are_one(h):
    apart = BGNBD.fit(h, purchase=["age", "web"], dropout=["web"])
    one = BGNBD.fit(h, purchase=["age", "web"], dropout=["web"], shared="web")
    assert ("purchase: age", "purchase and dropout: web") == one.model.names()[4:]
    assert len(apart.parameters) - 1 == len(one.parameters)
    assert one.log_likelihood <= apart.log_likelihood
    own = one.model.of(h)
    web = float(one.parameters[5])
    assert_allclose(one.model.law.a / one.model.law.b * np.exp(web * h.covariates["web"]), own.a / own.b)


def test_equal_customers_are_summed_and_nothing_changes():
    rng = np.random.default_rng(1)
    law = BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4)
    web = (rng.random(3000) < 0.5).astype(float)
    times = law.hastened("purchase", 0.5 * web).simulate(np.full(3000, 30.0), rng).history()
    whole = History(x=times.x, t_x=np.ceil(times.t_x), T=np.full(3000, 30.0), covariates={"web": web}, grain="week")
    fit = BGNBD.fit(whole, purchase=["web"])
    assert len(fit.data) < 1000
    assert 3000 == fit.n
    assert approx(fit.model.log_likelihood(whole).sum(), rel=1e-12) == fit.log_likelihood


def test_a_formula_is_the_same_as_its_columns(h, fit):
    pytest.importorskip("formulaic")
    other = BGNBD.fit(h, purchase="age + web", dropout="web")
    assert approx(fit.log_likelihood, abs=1e-8) == other.log_likelihood
    assert_allclose(fit.parameters, other.parameters, rtol=1e-6)


def test_the_caller_s_history_is_left_alone(h):
    before = {name: values.copy() for name, values in h.covariates.items()}
    BGNBD.fit(h, purchase=["age"])
    for name, values in before.items():
        assert_array_equal(values, h.covariates[name])


def test_a_plain_fit_does_not_look_at_covariates(h):
    assert approx(BGNBD.fit(replace(h, covariates={})).log_likelihood, rel=1e-13) == BGNBD.fit(h).log_likelihood
    unreadable = replace(h, covariates={"note": np.full(len(h), None, dtype=object)})
    assert isinstance(BGNBD.fit(unreadable).model, BGNBD)


def test_customers_who_all_do_the_same_have_no_effect_to_tell():
    rng = np.random.default_rng(2)
    h = BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4).simulate(np.full(300, 30.0), rng).history()
    buys = (h.x > 0).astype(float)
    with pytest.raises(ConvergenceError, match=r"purchase: buys runs to infinity \(alpha with it\), since it parts"):
        NBD.fit(replace(h, covariates={"buys": buys}), purchase=["buys"])


PARTED = {
    "never": lambda h: (h.x == 0).astype(float),
    "few of them": lambda h: np.isin(np.arange(len(h)), np.flatnonzero(h.x == 0)[:5]).astype(float),
    "stays": lambda h: (h.t_x > 0.97 * h.T).astype(float),
    "goes": lambda h: (h.t_x <= 0.97 * h.T).astype(float),
    "kind": lambda h: np.where(h.x == 0, "a", np.where(np.arange(len(h)) % 2, "b", "c")).astype(object),
}


@pytest.mark.parametrize(
    ("law", "process", "name", "words"),
    [
        (BGNBD, "purchase", "never", "purchase: never runs to -infinity, since"),
        (ParetoNBD, "purchase", "never", "purchase: never runs to -infinity"),
        (MBGNBD, "purchase", "few of them", "purchase: few of them runs to -infinity"),
        (BGNBD, "dropout", "stays", "dropout: stays runs to -infinity"),
        (ParetoNBD, "dropout", "stays", "dropout: stays runs to -infinity"),
        (MBGNBD, "dropout", "goes", "dropout: goes runs to infinity (a with it)"),
        (NBD, "purchase", "kind", "purchase: kind[b] runs to infinity and purchase: kind[c] runs to infinity"),
    ],
)
def test_a_covariate_that_parts_customers_altogether_is_named(law, process, name, words):
    rng = np.random.default_rng(1)
    h = BGNBD(r=0.8, alpha=6.0, a=0.8, b=2.5).simulate(np.full(400, 40.0), rng).history()
    known = replace(h, covariates={"age": rng.normal(size=400), name: PARTED[name](h)})
    with pytest.raises(ConvergenceError) as error:
        law.fit(known, **{process: ["age", name]})
    assert words in str(error.value)
    assert "leave the covariate out, or join its level with another" in str(error.value)
    assert "age" not in str(error.value)


def test_more_effects_than_customers_are_refused():
    h = BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4).simulate(np.full(20, 30.0), np.random.default_rng(2)).history()
    known = {f"x{i}": np.random.default_rng(i).normal(size=20) for i in range(18)}
    with pytest.raises(
        DomainError, match="BGNBD: 18 effects of covariates and 4 parameters are more than 20 customers"
    ):
        BGNBD.fit(replace(h, covariates=known), purchase=list(known)[:9], dropout=list(known)[9:])


# -- what a fit tells -------------------------------------------------------------------------------------------------


def test_the_table_names_process_and_covariate(fit):
    table = fit.table()
    assert ["r", "alpha", "a", "b", "purchase: age", "purchase: web", "dropout: web"] == table["parameter"].tolist()
    assert_allclose(table["high"][4:] - table["estimate"][4:], table["estimate"][4:] - table["low"][4:])


@pytest.mark.parametrize("interval", ["profile", "sandwich", "bootstrap"])
def test_other_intervals_agree_with_walds_in_a_large_crowd(fit, interval):
    wald, other = fit.table(), fit.table(interval=interval, repeats=40)
    assert_allclose(wald["low"], other["low"], atol=1.5 * wald["standard_error"].max(), rtol=0.2)
    effects = slice(4, None)
    assert_allclose(wald["low"][effects], other["low"][effects], atol=0.05)


def test_a_posterior_has_effects_too(fit):
    posterior = fit.posterior(800, seed=1)
    assert posterior.trusted
    assert "in the effects of covariates" in posterior.prior
    mean = posterior.table()["mean"].to_numpy()
    assert np.abs((mean - fit.parameters) / fit.standard_errors).max() < 0.5


def test_a_prior_on_an_effect_draws_it_in(fit):
    from scipy.stats import norm

    free = fit.posterior(800, seed=1, prior={"purchase: web": norm(0, 100)}).table()
    tight = fit.posterior(800, seed=1, prior={"purchase: web": norm(0, 0.02)}).table()
    assert abs(tight["mean"][5]) < 0.3 * abs(free["mean"][5])


def test_draws_answer_with_a_row_each(h, fit):
    draws = fit.draws(5, seed=1)
    assert (5, len(h)) == draws.p_alive(h).shape
    assert (5, 3) == draws.of({"age": [20, 40, 60], "web": [0, 1, 0]}).expected_purchases_of_new(10.0).shape
    assert "5 draws of purchase: age, purchase: web, dropout: web" in repr(draws)


def test_a_fit_comes_back_from_json(h, fit):
    twin = from_json(fit.to_json())
    assert fit == twin
    assert fit.model == twin.model
    assert_array_equal(fit.model.p_alive(h), twin.model.p_alive(h))
    assert hash(fit.model) == hash(twin.model)


def test_it_prints_its_effects(fit):
    assert repr(fit).startswith("Fit of BGNBD with covariates to 3,000 customers: r = ")
    assert "purchase: web +" in repr(fit)
    assert "BGNBD(r=" in repr(fit.model)


def test_the_covariates_count_among_the_parameters(fit):
    assert approx(2 * 7 - 2 * fit.log_likelihood) == fit.aic


# -- asking -----------------------------------------------------------------------------------------------------------


def test_new_customers_need_no_more_than_their_covariates(fit, frame_of):
    new = frame_of({"age": [25.0, 55.0], "web": [True, False], "born": pd.to_datetime(["1990-01-01", "1960-01-01"])})
    law = fit.model.of(new)
    expected = [fit.model.like(age=25, web=1), fit.model.like(age=55, web=0)]
    assert_allclose([one.expected_purchases_of_new(52.0) for one in expected], law.expected_purchases_of_new(52.0))


def test_a_customer_is_average_in_what_is_not_said(h, fit):
    assert_allclose(tuple(fit.model.law), tuple(fit.model.like()), rtol=1e-14)
    assert_allclose(fit.model.like(web=1).alpha, fit.model.like(web=1, age=h.covariates["age"].mean()).alpha)


def test_lifetime_values_take_fits_with_covariates(h, fit):
    spend = GammaGamma(p=6.0, q=4.0, gamma=15.0).simulate(h.x, np.random.default_rng(1))
    h = replace(h, spend=spend)
    ltv = LifetimeValue.of(fit, GammaGamma.fit(h, spend=["age"]))
    table = ltv.predict(h, horizon=26, draws=50)
    assert_array_equal(fit.model.expected_purchases(h, 26), table["expected_purchases"])
    assert np.all(table["low"] <= table["high"])
    assert ltv.to_json() == from_json(ltv.to_json()).to_json()


def test_laws_with_covariates_can_be_compared(h, fit):
    other = MBGNBD.fit(h, purchase=["age", "web"], dropout=["web"])
    found = clv.prefer(fit, other, h)
    assert ("BGNBD with covariates", "MBGNBD with covariates") == (found.first, found.second)
    fewer = BGNBD.fit(h, purchase=["age", "web"])
    assert clv.likelihood_ratio(fewer, fit).needed


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda model, h: model.p_alive(replace(h, covariates={})), "covariate 'age' is not known"),
        (lambda model, _: model.expected_purchases_of_new(3.0), "expected_purchases_of_new of which customers?"),
        (lambda model, _: model.like(aeg=3), "knows no covariate 'aeg'; did you mean 'age'"),
        (lambda model, _: model.of({"age": [1.0]}), "covariate 'web' is not known"),
        (lambda model, _: replace(model, effects=[1.0]), "effects must be 3 finite numbers"),
        (lambda _, h: NBD.fit(h, dropout=["age"]), "NBD has no process 'dropout' to move; it has purchase"),
        (lambda _, h: BGNBD.fit(h, shared=["age"]), "no process is moved by any"),
        (lambda _, h: BGNBD.fit(h, purchase=["age"], dropout=["web"], shared=["age"]), "it does not move dropout"),
        (lambda _, h: BGNBD.fit(h, purchase=["age"], shared=["age"]), "it does not move another"),
    ],
)
def test_what_cannot_be_answered_is_refused(h, fit, ask, words):
    with pytest.raises(DomainError) as error:
        ask(fit.model, h)
    assert words in str(error.value)


def test_what_the_law_does_not_know_it_does_not_have(fit):
    with pytest.raises(AttributeError, match="no 'p_alife'"):
        _ = fit.model.p_alife


# -- histories that know more -----------------------------------------------------------------------------------------


def test_covariates_come_from_any_frame_by_customer(frame_of):
    h = History(x=[2, 0, 1], t_x=[3, 0, 1], T=[4, 4, 4], customer_id=["c1", "c2", "c3"])
    frame = frame_of(
        {
            "customer_id": ["c3", "c1", "c0", "c2"],
            "age": [33, 31, 30, 32],
            "web": [True, False, True, True],
            "place": ["s", "n", "w", None],
        }
    )
    known = h.with_covariates(frame).covariates
    assert_array_equal([31.0, 32.0, 33.0], known["age"])
    assert_array_equal([0.0, 1.0, 1.0], known["web"])
    assert ["n", None, "s"] == known["place"].tolist()


def test_covariates_stay_with_their_customers():
    h = History(x=[2, 0, 0], t_x=[3, 0, 0], T=[4, 4, 4], covariates={"age": [31, 32, 32], "place": ["n", "s", "w"]})
    assert ["w", "n"] == h.take([2, 0]).covariates["place"].tolist()
    assert 3 == len(h.distinct())
    assert 2 == len(h.knowing(["age"]).distinct())
    assert {} == h.knowing(()).covariates


def test_chosen_columns_join_those_that_are_there():
    h = History(x=[0, 0], t_x=[0, 0], T=[4, 4], customer_id=[7, 8], covariates={"age": [31, 32]})
    more = h.with_covariates(
        pd.DataFrame({"id": [8, 7], "web": [1, 0], "x": [5, 5]}), columns=["web"], customer_id="id"
    )
    assert ["age", "web"] == list(more.covariates)
    assert_array_equal([0.0, 1.0], more.covariates["web"])


def test_a_pandas_index_says_who_if_no_column_does():
    h = History(x=[0, 0], t_x=[0, 0], T=[4, 4], customer_id=["c1", "c2"])
    known = h.with_covariates(pd.DataFrame({"age": [32, 31]}, index=["c2", "c1"])).covariates
    assert_array_equal([31.0, 32.0], known["age"])


def test_a_frame_that_lacks_a_covariate_is_refused(fit):
    with pytest.raises(SchemaError, match="web"):
        fit.model.of(pd.DataFrame({"age": [1.0]}))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            {"customer_id": ["c1"], "age": [3]},
            "1 of 2 customers of the history have no row of covariates, such as 'c2'",
        ),
        ({"customer_id": [1, 2], "age": [3, 4]}, "the first row of the table is of 1"),
        ({"customer_id": ["c1", "c2", "c1"], "age": [3, 4, 5]}, "1 of 3 rows are of a customer who has another one"),
        ({"who": ["c1", "c2"], "age": [3, 4]}, "must say who each row is of: name the column by customer_id="),
        ({"customer_id": ["c1", "c2"], "since": pd.to_datetime(["2020-01-01", "2021-01-01"])}, "make it a number"),
    ],
)
def test_a_table_that_does_not_fit_the_customers_is_refused(frame, words):
    h = History(x=[2, 0], t_x=[3, 0], T=[4, 4], customer_id=["c1", "c2"])
    with pytest.raises(SchemaError) as error:
        h.with_covariates(pd.DataFrame(frame))
    assert words in str(error.value)


def test_covariates_of_another_length_are_refused():
    with pytest.raises(DomainError, match=r"covariate 'age' must have shape \(2,\), got \(1,\)"):
        History(x=[2, 0], t_x=[3, 0], T=[4, 4], covariates={"age": [31]})


# -- how often ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4), ParetoNBD(r=0.8, alpha=6.0, s=0.8, beta=12.0)],
    ids=["BGNBD", "ParetoNBD"],
)
def test_intervals_of_effects_hold_the_truth_as_often_as_they_say(law):
    true = np.array([0.02, 0.5, -0.03, 0.6])
    held = np.zeros(4)
    crowds = 40
    for seed in range(crowds):
        h = crowd(law, 1500, 1000 + seed, purchase=(0.2, 0.5), dropout=(-0.3, 0.6))
        table = type(law).fit(h, purchase=["age", "web"], dropout=["age", "web"]).table(level=0.9)
        held += ((table["low"] <= np.r_[np.zeros(4), true]) & (np.r_[np.zeros(4), true] <= table["high"]))[4:]
    assert np.all(np.abs(held / crowds - 0.9) < 4 * np.sqrt(0.09 / crowds))


# -- what an analyst's table holds --------------------------------------------------------------------------------------


def test_a_category_of_whole_numbers_is_no_quantity():
    h = History(x=[0, 0, 1], t_x=[0, 0, 2], T=[4, 4, 4], customer_id=[7, 8, 9])
    frame = pd.DataFrame({"customer_id": [7, 8, 9], "region": pd.Series([1, 3, 1]).astype("category")})
    assert ["1", "3", "1"] == h.with_covariates(frame).covariates["region"].tolist()
    assert isinstance(frame["region"].dtype, pd.CategoricalDtype)


def test_a_missing_value_among_text_stays_missing():
    h = History(x=[0] * 3, t_x=[0] * 3, T=[4] * 3, covariates={"channel": ["web", float("nan"), "shop"]})
    assert ["web", None, "shop"] == h.covariates["channel"].tolist()


def test_evenly_spaced_customers_in_a_named_index_are_customers():
    h = History(x=[0, 0], t_x=[0, 0], T=[4, 4], customer_id=[102, 101])
    frame = pd.DataFrame({"age": [31.0, 32.0]}, index=pd.RangeIndex(101, 103, name="customer_id"))
    assert_array_equal([32.0, 31.0], h.with_covariates(frame).covariates["age"])
    with pytest.raises(SchemaError, match="must say who each row is of"):
        h.with_covariates(pd.DataFrame({"age": [31.0, 32.0]}, index=[101, 102]))


def test_the_customers_column_is_no_covariate_though_it_is_listed():
    h = History(x=[0, 0], t_x=[0, 0], T=[4, 4], customer_id=[1, 2])
    frame = pd.DataFrame({"customer_id": [1, 2], "age": [31, 32]})
    assert ["age"] == list(h.with_covariates(frame, columns=["customer_id", "age"]).covariates)
    assert ["age"] == list(h.with_covariates(frame, columns="age").covariates)


def test_a_covariate_in_brackets_is_one_of_its_own(h):
    known = replace(h, covariates={"age [years]": h.covariates["age"], "web": h.covariates["web"]})
    fit = BGNBD.fit(known, purchase=["age [years]"], dropout=["age [years]"], shared="age [years]")
    assert ("purchase and dropout: age [years]",) == fit.model.names()[4:]


def test_a_shared_effect_moves_the_same_columns(h):
    pytest.importorskip("formulaic")
    known = replace(
        h,
        covariates={
            "age": h.covariates["age"],
            "channel": np.where(h.covariates["web"] == 1, "web", "shop").astype(object),
        },
    )
    with pytest.raises(DomainError, match="must move both processes by the same columns"):
        BGNBD.fit(known, purchase="channel + age", dropout="channel", shared="channel")
    more = BGNBD.fit(known, purchase=["channel"])
    tied = BGNBD.fit(known, purchase=["channel"], dropout=["channel"], shared="channel")
    with pytest.raises(DomainError, match="no case of"):
        clv.likelihood_ratio(more, tied)


def test_the_hash_seed_of_python_decides_nothing(h):
    fit = BGNBD.fit(h, purchase=["web", "age"], dropout=["web"])
    assert ["web", "age"] == list(
        asked_of(BGNBD, h, {"purchase": ["web", "age"], "dropout": ["web"]}, ())[0].covariates
    )
    assert isinstance(fit.model, WithCovariates)


def test_nobody_changes_a_law_that_was_fitted(fit):
    with pytest.raises(ValueError, match="read-only"):
        fit.model.effects[0] = 99.0


def test_fits_by_formulas_can_be_compared_though_not_written(h):
    pytest.importorskip("formulaic")
    one, two = (BGNBD.fit(h, purchase="age + web") for _ in range(2))
    assert one == two
    assert one.model == two.model
    assert one != BGNBD.fit(h, purchase="age")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda model, _: model.of({"age": [1.0, 2.0], "web": [1.0]}), "one value for each customer"),
        (lambda _, h: BGNBD.fit(h.take([]), purchase=["age"]), "the history is empty"),
        (lambda _, h: BGNBD.fit(h, purchase=3), "names of columns, or a formula, got 3"),
        (lambda _, h: BGNBD.fit(h, purchase="age ~ web"), "several sides"),
        (lambda _, h: BGNBD.fit(h, purchase="np.log(web)"), "'np.log(web)' of the formula 'np.log(web)' is not finite"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(h, fit, ask, words):
    pytest.importorskip("formulaic")
    with pytest.raises(DomainError) as error:
        ask(fit.model, h)
    assert words in str(error.value)


def test_a_prior_that_rules_out_the_peak_is_refused(fit):
    from scipy.stats import uniform

    with pytest.raises(DomainError, match="prior: that of purchase: web rules out"):
        fit.posterior(100, seed=1, prior={"purchase: web": uniform(-2, 1.5)})
    with pytest.raises(DomainError, match=r"BGNBD with covariates has no parameter 'web'.*it has r, alpha"):
        fit.posterior(100, seed=1, prior={"web": uniform(-2, 4)})


def test_an_estimator_of_fits_with_covariates_is_not_fitted_without_them(h, fit):
    spend = GammaGamma(p=6.0, q=4.0, gamma=15.0).simulate(h.x, np.random.default_rng(1))
    ltv = LifetimeValue.of(fit, GammaGamma.fit(replace(h, spend=spend)))
    with pytest.raises(DomainError, match="which fit\\(\\) would lose"):
        ltv.fit(h)
