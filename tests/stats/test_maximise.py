"""Maximise: a peak, or the reason why there is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel.stats import Hill as AnyHill
from custrel.stats import maximise
from custrel.stats.maximise import BOX

approx = pytest.approx


class Hill(AnyHill):
    """A hill by its height and slope."""

    def __init__(self, value, gradient):
        self.height, self.steepness = value, gradient

    def value(self, position):
        return self.height(position)

    def gradient(self, position):
        return self.steepness(position)


CURVES = np.array([[2.0, 0.5], [0.5, 1.0]])
TOP = np.array([1.0, -2.0])
DOME = Hill(lambda q: float(-(q - TOP) @ CURVES @ (q - TOP) / 2), lambda q: -CURVES @ (q - TOP))


def test_the_top_of_a_dome_is_found_from_anywhere():
    peak = maximise(DOME, [np.zeros(2), np.array([9.0, 9.0]), np.array([-9.0, 5.0])])
    assert_allclose(TOP, peak.position, atol=1e-9)
    assert approx(0, abs=1e-15) == peak.value
    assert_allclose(-CURVES, peak.hessian, atol=1e-6)
    assert peak.is_peak
    assert peak.level
    assert peak.starts == peak.agreeing == 3
    assert approx(np.linalg.cond(CURVES), rel=1e-5) == peak.condition
    assert_allclose(TOP, peak.distance, atol=1e-9)


def test_a_bell_is_climbed_from_where_it_curves_upwards():
    bell = Hill(lambda q: float(np.exp(-q @ q / 2)), lambda q: -q * np.exp(-q @ q / 2))
    peak = maximise(bell, [np.array([3.0, 3.0]), np.array([2.0, -1.0])])
    assert_allclose([0, 0], peak.position, atol=1e-6)
    assert peak.is_peak


def test_of_two_tops_the_higher_one_is_taken_and_the_other_counted_out():
    def value(q):
        return float(np.logaddexp(-8 * (q[0] - 2) ** 2, 1 - 8 * (q[0] + 2) ** 2))

    def gradient(q):
        high = 1 / (1 + np.exp(-8 * (q[0] - 2) ** 2 - 1 + 8 * (q[0] + 2) ** 2))
        return np.array([-16 * (q[0] - 2) * (1 - high) - 16 * (q[0] + 2) * high])

    peak = maximise(Hill(value, gradient), [np.array([2.2]), np.array([-2.2]), np.array([2.4])])
    assert approx(-2, abs=1e-6) == peak.position[0]
    assert (peak.starts, peak.agreeing) == (3, 1)
    assert peak.is_peak


def test_the_answer_is_never_lower_than_a_start():
    def value(q):
        return float(-(np.abs(q[0] - 0.3) ** 1.5))

    def gradient(q):
        return np.array([-1.5 * np.sign(q[0] - 0.3) * np.abs(q[0] - 0.3) ** 0.5])

    starts = [np.array([2.0]), np.array([0.301]), np.array([-7.0])]
    assert maximise(Hill(value, gradient), starts).value >= max(map(value, starts))


def test_a_ridge_is_no_peak():
    ridge = Hill(lambda q: -float((q[0] - q[1]) ** 2), lambda q: np.array([-2.0, 2.0]) * (q[0] - q[1]))
    peak = maximise(ridge, [np.array([1.0, 0.0]), np.array([5.0, 3.0])])
    assert peak.level
    assert not peak.is_peak
    assert peak.condition > 1e10
    assert not peak.at_edge.any()


def test_a_ridge_that_still_falls_a_little_is_no_peak():
    # The slope that is left is less than what counts as zero, yet the top is far away.
    eps = 1e-9

    def value(q):
        return float(-((q[0] - q[1]) ** 2) - eps * (q[0] + q[1] - 20) ** 2 / 2)

    def gradient(q):
        return np.array([-2.0, 2.0]) * (q[0] - q[1]) - eps * (q[0] + q[1] - 20)

    peak = maximise(Hill(value, gradient), [np.zeros(2)])
    assert not peak.is_peak or np.abs(peak.position - 10).max() < 0.01


def test_a_slope_without_end_leads_to_the_edge():
    slope = Hill(lambda q: float(q[0] - np.exp(-q[1]) - q[1]), lambda q: np.array([1.0, np.exp(-q[1]) - 1]))
    peak = maximise(slope, [np.zeros(2), np.ones(2)])
    assert [True, False] == peak.at_edge.tolist()
    assert approx(BOX) == peak.distance[0]
    assert not peak.is_peak


def test_ground_that_rises_ever_more_slowly_leads_to_the_edge_or_is_called_flat():
    saturating = Hill(lambda q: -float(np.exp(-q[0])), lambda q: np.array([np.exp(-q[0])]))
    peak = maximise(saturating, [np.zeros(1), np.ones(1)])
    assert not peak.is_peak


def test_a_saddle_is_no_peak():
    saddle = Hill(lambda q: float(q[1] ** 2 - q[0] ** 2), lambda q: np.array([-2 * q[0], 2 * q[1]]))
    peak = maximise(saddle, [np.zeros(2)])
    assert peak.condition == np.inf
    assert not peak.is_peak


def test_the_first_climb_may_be_on_fewer_rows():
    asked = []

    class Counted(Hill):
        def __init__(self):
            super().__init__(DOME.value, lambda q: asked.append(q) or DOME.gradient(q))

    near = Hill(lambda q: DOME.value(q - 0.05), lambda q: DOME.gradient(q - 0.05))
    starts = [np.zeros(2), np.array([9.0, 9.0])]
    peak = maximise(Counted(), starts, foothill=near)
    assert_allclose(TOP, peak.position, atol=1e-9)
    assert peak.is_peak
    few = len(asked)
    asked.clear()
    maximise(Counted(), starts)
    assert few < len(asked)


@pytest.mark.parametrize("at", [np.zeros(2), np.array([3.0, -1.0])])
def test_the_hessian_is_that_of_the_slope(at):
    assert_allclose(-CURVES, DOME.hessian(at), atol=1e-8)
