"""Family: a law is a value."""

import pickle
from dataclasses import FrozenInstanceError, dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import from_json
from custrel.errors import DomainError
from custrel.stats import Family

approx = pytest.approx


@dataclass(frozen=True, eq=False)
class Weibull(Family):
    """Departures that hasten or slow down."""

    shape: float
    scale: float


LAW = Weibull(shape=1.5, scale=3.0)


def test_parameters_come_in_the_papers_order():
    assert Weibull.names() == ("shape", "scale")
    assert tuple(LAW) == (1.5, 3.0)


def test_a_law_does_not_change():
    with pytest.raises(FrozenInstanceError):
        LAW.shape = 2.0


def test_equal_laws_are_equal():
    assert Weibull(1.5, 3.0) == LAW
    assert hash(Weibull(1.5, 3.0)) == hash(LAW)
    assert replace(LAW, scale=4.0) != LAW
    assert (1.5, 3.0) != LAW
    draws = Weibull(np.array([[1.0], [2.0]]), 3.0)
    assert Weibull(np.array([[1.0], [2.0]]), 3.0) == draws
    assert hash(Weibull(np.array([[1.0], [2.0]]), 3.0)) == hash(draws)
    assert Weibull(np.array([[1.0], [9.0]]), 3.0) != draws


def test_numbers_of_any_kind_become_floats():
    law = Weibull(np.float32(1.5), 3)
    assert law == LAW
    assert type(law.shape) is type(law.scale) is float
    assert Weibull([1, 2], 3).shape.dtype == np.float64


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), [[1.0], [0.0]]])
def test_what_is_not_positive_and_finite_is_refused(value):
    with pytest.raises(DomainError, match=r"Weibull: scale must be positive and finite, got (0|-1|nan|inf)"):
        Weibull(1.0, value)


@pytest.mark.parametrize("value", ["much", [1, [2]], {}, object()])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(DomainError, match="Weibull: scale must be"):
        Weibull(1.0, value)


def test_the_log_scale_goes_there_and_back():
    assert_allclose(np.log([1.5, 3.0]), LAW.to_log())
    assert approx(tuple(LAW)) == tuple(Weibull.from_log(LAW.to_log()))
    draws = Weibull.from_log(np.log([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert draws.shape.shape == draws.scale.shape == (3, 1)
    assert approx([2.0, 4.0, 6.0]) == draws.scale.ravel()


def test_json_keeps_every_digit():
    for law in (Weibull(0.1 + 0.2, 1e-300), Weibull(np.array([[1 / 3], [2.0]]), 3.0)):
        assert from_json(law.to_json()) == law


def test_a_law_travels_between_processes():
    assert pickle.loads(pickle.dumps(LAW)) == LAW  # noqa: S301 - our own bytes


def test_the_text_is_the_code():
    assert repr(LAW) == "Weibull(shape=1.5, scale=3.0)"
