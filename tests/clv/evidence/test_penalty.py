"""Which of many covariates matter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from custrel import from_json
from custrel.clv import BGNBD, NBD, penalty_path
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def fit():
    """Of four covariates the first two move customers; the last one repeats much of the first."""
    rng = np.random.default_rng(3)
    known = {name: rng.normal(size=1500) for name in "abc"}
    known["d"] = known["a"] + 0.5 * rng.normal(size=1500)
    law = BGNBD(r=0.8, alpha=4.0, a=0.8, b=2.4).hastened("purchase", 0.5 * known["a"] - 0.3 * known["b"])
    h = law.simulate(np.full(1500, 40.0), rng).history()
    return BGNBD.fit(replace(h, covariates=known), purchase=["a", "b", "c", "d"], dropout=["c"])


@pytest.fixture(scope="module")
def path(fit):
    return penalty_path(fit, penalties=12)


def test_no_effect_is_worth_the_largest_penalty_and_all_are_worth_none(fit):
    path = penalty_path(fit, penalties=[1e3, 0.0], folds=2)
    assert_array_equal(np.zeros(5), path.laws[0].effects)
    assert_allclose(fit.model.effects, path.laws[1].effects, atol=1e-5)
    assert approx(fit.log_likelihood / fit.n) == path.log_likelihood[1]


def test_the_largest_penalty_of_the_path_is_where_the_first_effect_sets_in(path):
    frame = path.to_frame()
    assert 0 == frame["effects"][0]
    assert 1 <= frame["effects"][1] <= 2
    assert np.all(np.diff(path.penalties) < 0)


def test_the_likelihood_rises_as_the_penalty_falls(path):
    assert np.all(np.diff(path.log_likelihood) >= -1e-12)


@pytest.mark.parametrize("l1_share", [0.0, 0.5, 1.0])
def test_each_law_is_the_best_at_its_price(fit, l1_share):
    """Another optimiser, which knows no slope, finds nothing better from near there."""
    penalty = 0.05
    law = penalty_path(fit, l1_share=l1_share, penalties=[penalty], folds=2).laws[0]
    rows, k = fit.data, 4

    def lost(place):
        model = law.at_log(place)
        effects = place[k:]
        price = penalty * (l1_share * np.abs(effects).sum() + (1 - l1_share) / 2 * (effects**2).sum())
        return price - float(model.log_likelihood(rows) @ rows.weights) / rows.customers

    here = law.to_log()
    found = minimize(lost, here + 0.02, method="Powell", options={"xtol": 1e-8, "ftol": 1e-13})
    assert lost(here) <= found.fun + 1e-8


def test_the_lasso_leaves_out_what_moves_nobody(fit, path):
    kept = [name for name, effect in zip(fit.model.names()[4:], path.simplest.effects, strict=True) if effect]
    assert {"purchase: a", "purchase: b"} <= set(kept)
    assert len(kept) < 5


def test_ridge_keeps_all(fit):
    path = penalty_path(fit, l1_share=0.0, penalties=4, folds=2)
    assert [5, 5, 5, 5] == path.to_frame()["effects"].tolist()


def test_customers_are_held_out_by_the_seed_alone(fit):
    one, two, other = (penalty_path(fit, penalties=3, folds=3, seed=seed).held_out for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_who_is_held_out_is_told_by_those_who_were_not(fit):
    """With two folds by hand."""
    rows, law = fit.data, penalty_path(fit, penalties=[0.02], folds=2, seed=5)
    part = np.random.default_rng(5).multinomial(rows.weights.astype(int), [0.5, 0.5]).T.astype(float)
    from custrel.clv.evidence.penalty import _alone, _along

    total = 0.0
    for out, into in (part, part[::-1]):
        stay = rows.take(np.flatnonzero(into)).standing_for(into[into > 0])
        (there,) = _along(_alone(fit.model, rows), stay, np.array([0.02]), 1.0)
        total += there.log_likelihood(rows) @ out
    assert approx(total / rows.customers, rel=1e-9) == law.held_out[0]


def test_the_frame_has_a_column_for_each_effect(fit, path):
    frame = path.to_frame()
    assert isinstance(frame, pd.DataFrame)
    names = ["penalty", "log_likelihood", "held_out", "behind_error", "effects", *fit.model.names()[4:]]
    assert names == list(frame.columns)
    assert "12 penalties from" in repr(path)
    assert path.best in path.laws


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda fit: penalty_path(NBD.fit(fit.data.told)), "needs a fit with covariates, got Fit of NBD"),
        (lambda fit: penalty_path(fit.model), "needs a fit with covariates"),
        (lambda fit: penalty_path(from_json(fit.to_json())), "JSON does not carry"),
        (lambda fit: penalty_path(fit, l1_share=2), "between 0 (ridge) and 1 (lasso), got 2"),
        (lambda fit: penalty_path(fit, folds=1), "folds must be a whole number, 2 or more, got 1"),
        (lambda fit: penalty_path(fit, penalties=[-1.0]), "finite numbers, 0 or more, or how many"),
        (lambda fit: penalty_path(fit, penalties=1), "penalties must be a whole number, 2 or more"),
        (lambda fit: penalty_path(fit, seed=-1), "seed"),
    ],
)
def test_what_makes_no_sense_is_refused(fit, ask, words):
    with pytest.raises(DomainError) as error:
        ask(fit)
    assert words in str(error.value)
