"""Values to text and back."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import custrel as cr
from custrel.clv import BGNBD, GammaGamma, LifetimeValue
from custrel.datasets import cdnow_summary
from custrel.errors import NotFittedError, SchemaError

LAW = BGNBD(r=0.1 + 0.2, alpha=1 / 3, a=1e-17, b=1e300)


@pytest.fixture(scope="module")
def fit():
    return GammaGamma.fit(cdnow_summary())


def test_a_law_comes_back_with_every_digit():
    assert cr.from_json(LAW.to_json()) == LAW


def test_draws_come_back_with_their_shape():
    draws = GammaGamma(*np.random.default_rng(0).random((3, 5, 1)))
    back = cr.from_json(draws.to_json())
    assert back == draws
    assert back.p.shape == (5, 1)


def test_a_fit_comes_back_whole(fit):
    back = cr.from_json(fit.to_json())
    assert back.model == fit.model
    assert (back.log_likelihood, back.n, back.like) == (fit.log_likelihood, fit.n, fit.like)
    assert_array_equal(fit.log_covariance, back.log_covariance)
    assert back.diagnosis == fit.diagnosis
    assert str(back.diagnosis) == str(fit.diagnosis)
    assert back.table().equals(fit.table())
    assert back.draws(3, seed=1) == fit.draws(3, seed=1)
    assert back.to_json() == fit.to_json()


def test_an_estimator_that_knows_nothing_has_nothing_to_write():
    with pytest.raises(NotFittedError, match="fit"):
        LifetimeValue().to_json()


def test_the_text_is_plain_json_a_person_can_read(fit):
    contents = json.loads(fit.to_json())
    assert contents["custrel"] == 1
    assert contents["kind"] == "Fit"
    assert contents["model"] == {"kind": "GammaGamma", **dict(zip(("p", "q", "gamma"), fit.model, strict=True))}
    assert json.loads(LAW.to_json())["r"] == 0.1 + 0.2


@pytest.mark.parametrize(
    "text", ["", "{", "not json", "[1, 2]", "null", "3", '"BGNBD"', "{}", '{"kind": null}', '{"kind": []}']
)
def test_what_is_not_ours_is_refused(text):
    with pytest.raises(SchemaError, match="expected JSON"):
        cr.from_json(text)


@pytest.mark.parametrize("text", [None, 3, b"\xff", object()])
def test_what_is_not_text_is_refused(text):
    with pytest.raises(SchemaError, match="expected JSON text"):
        cr.from_json(text)


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(SchemaError, match=r"found kind 'BGNDB'; did you mean 'BGNBD'\?"):
        cr.from_json('{"kind": "BGNDB"}')


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "BGNBD"}',
        '{"kind": "BGNBD", "r": 1, "alpha": 1, "a": 1}',
        '{"kind": "BGNBD", "r": 1, "alpha": 1, "a": 1, "b": 1, "c": 1}',
        '{"kind": "BGNBD", "r": "much", "alpha": 1, "a": 1, "b": 1}',
        '{"kind": "BGNBD", "r": null, "alpha": 1, "a": 1, "b": 1}',
        '{"kind": "BGNBD", "r": [1, [2]], "alpha": 1, "a": 1, "b": 1}',
        '{"kind": "Fit"}',
        '{"kind": "Fit", "model": 3, "diagnosis": {}, "log_covariance": []}',
        '{"kind": "LifetimeValue", "purchases": {}}',
        '{"kind": "LifetimeValue", "purchases": {"kind": "BGNBD", "r": 1, "alpha": 1, "a": 1, "b": 1}, "spend": {}}',
        '{"kind": "Diagnosis", "findings": null}',
    ],
)
def test_broken_contents_are_refused_by_one_of_ours(text):
    with pytest.raises(cr.errors.CustrelError):
        cr.from_json(text)


def test_a_law_out_of_its_domain_is_refused_as_at_birth():
    with pytest.raises(cr.errors.CustrelError, match="r must be positive"):
        cr.from_json('{"kind": "BGNBD", "r": -1, "alpha": 1, "a": 1, "b": 1}')


def test_text_of_another_format_is_refused():
    newer = LAW.to_json().replace('"custrel": 1', '"custrel": 2')
    with pytest.raises(SchemaError, match="found format 2, which another version wrote"):
        cr.from_json(newer)


def test_bottomless_text_is_refused():
    with pytest.raises(SchemaError, match="expected JSON"):
        cr.from_json("[" * 100_000)
