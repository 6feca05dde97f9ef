import numpy as np
import pytest
from matplotlib.contour import ContourSet
from numpy.testing import assert_allclose

from custrel import History, plots
from custrel.clv import BGNBD
from custrel.errors import DomainError

LAW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


def cells(ax):
    return ax.collections[0].get_array()


class NobodyLeaves:
    def p_alive(self, h):
        return np.ones(len(h))


class Remembers:
    """A law that keeps what it was asked."""

    def p_alive(self, h):
        self.asked = h
        return np.full(len(h), 0.5)


def test_a_cell_holds_the_p_alive_of_its_customer():
    p = cells(plots.frequency_recency(LAW, 39))
    expected = LAW.p_alive(History(x=[0, 1, 20], t_x=[0, 30, 39], T=[39, 39, 39]))
    assert_allclose(expected, [p[0, 0], p[30, 1], p[39, 20]], rtol=1e-14)


def test_cells_that_no_customer_can_be_in_are_masked():
    mask = cells(plots.frequency_recency(LAW, 39, max_x=4)).mask
    assert not mask[0, 0]
    assert mask[0, 1:].all()
    assert mask[1:, 0].all()
    assert not mask[1:, 1:].any()


@pytest.mark.parametrize("T", [0.5, 1, 38.86, 39, 365, 10_000.5])
def test_no_last_purchase_comes_after_T_and_the_last_row_is_T(T):
    law = Remembers()
    plots.frequency_recency(law, T)
    assert T == law.asked.t_x.max()
    assert np.all(T == law.asked.T)
    assert law.asked.t_x.size < 2000


def test_the_law_is_asked_in_the_unit_that_the_axes_name():
    law = Remembers()
    ax = plots.frequency_recency(law, 1, unit="day")
    assert "day" == law.asked.unit
    assert "last purchase, days after the first" == ax.get_ylabel()
    assert "P(alive) of a customer first seen 1 day ago" == ax.get_title(loc="left")


def test_the_colours_run_from_0_to_1_whatever_the_law_says():
    ax = plots.frequency_recency(NobodyLeaves(), 39)
    assert (0, 1) == ax.collections[0].get_clim()
    assert not any(isinstance(drawn, ContourSet) for drawn in ax.get_children())


def test_half_is_marked_where_there_is_such_a_place():
    ax = plots.frequency_recency(LAW, 39)
    (line,) = [drawn for drawn in ax.get_children() if isinstance(drawn, ContourSet)]
    assert [0.5] == list(line.levels)


@pytest.mark.parametrize("max_x", [1, 300])
def test_few_or_many_purchases_can_be_shown(max_x):
    assert max_x + 1 == cells(plots.frequency_recency(LAW, 39, max_x=max_x)).shape[1]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"T": 0}, "T must be one positive number"),
        ({"T": float("nan")}, "T must be one positive number"),
        ({"T": "39"}, "T must be one positive number"),
        ({"T": [39, 40]}, "T must be one positive number"),
        ({"max_x": 0}, "max_x must be a whole number"),
        ({"max_x": 2.5}, "max_x must be a whole number"),
        ({"unit": "wek"}, "did you mean 'week'"),
        ({"model": BGNBD(np.full((3, 1), 0.2), 4.0, 0.8, 2.4)}, "one law with numbers as parameters"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        plots.frequency_recency(**({"model": LAW, "T": 39} | wrong))
