"""Estimate: a number with its doubt."""

import dataclasses

import pytest

from custrel import Estimate


def test_an_estimate_reads_as_a_sentence():
    estimate = Estimate(-25.0, -61.234, 11.2, n=4, method="wald", level=0.9)
    assert repr(estimate) == "-25 (-61.23 to 11.2, 90 % wald, n = 4)"


def test_an_estimate_is_a_value():
    estimate = Estimate(0.25, 0.18, 0.33, n=120, method="wilson", level=0.95)
    assert estimate == dataclasses.replace(estimate)
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.value = 0.3
