import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History, datasets, plots
from custrel.clv import BGNBD
from custrel.errors import DomainError

H = History(x=[0, 0, 0, 1, 1, 9], t_x=[0, 0, 0, 3, 20, 38], T=[39] * 6)


def bars(ax):
    """Lower and upper end of each group's bar, nan where there is none."""
    (bar,) = [container.lines[2][0] for container in ax.containers]
    ends = [path.vertices[:, 1] for path in bar.get_paths()]
    return np.array([end if end.size else (np.nan, np.nan) for end in ends])


def test_means_are_taken_among_customers_who_bought_equally_often():
    ax = plots.calibration(H, [0.1, 0.2, 0.3, 1.0, 2.0, 5.0], [0, 0, 3, 1, 2, 7])
    expected, came = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
    assert_allclose([0.2, 1.5, 5.0], expected)
    assert_allclose([1.0, 1.5, 7.0], came)
    assert ["0\n3", "1\n2", "7+\n1"] == [label.get_text() for label in ax.get_xticklabels()]


def test_cdnow_shows_what_the_papers_show():
    h = datasets.cdnow_summary()
    law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    came = datasets.cdnow().purchases_between("1997-10-01", "1998-06-30", customers=h).purchases
    ax = plots.calibration(h, law.expected_purchases(h, 39), came)
    assert 8 == len(ax.get_xticks())
    assert_allclose([0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359], ax.lines[1].get_ydata(), atol=5e-4)


def test_bars_are_normal_intervals_of_the_mean_on_the_log_scale():
    actual = np.array([0, 0, 3, 1, 2, 7])
    low, high = bars(plots.calibration(H, actual, actual, level=0.9))[0]
    half = 1.6448536 * np.std([0, 0, 3], ddof=1) / np.sqrt(3) / 1.0
    assert_allclose([np.exp(-half), np.exp(half)], [low, high], rtol=1e-6)


def test_groups_of_one_and_groups_that_bought_nothing_have_no_bar():
    ax = plots.calibration(H, np.ones(6), [0, 0, 0, 1, 2, 7])
    assert [True, False, True] == np.isnan(bars(ax)).any(axis=1).tolist()


def test_most_says_where_the_last_group_begins():
    ax = plots.calibration(H, np.ones(6), np.ones(6), most=1)
    assert ["0\n3", "1+\n3"] == [label.get_text() for label in ax.get_xticklabels()]


def test_one_customer_is_a_point():
    ax = plots.calibration(H.take([5]), [4.5], [3])
    assert [4.5] == ax.lines[0].get_ydata().tolist()
    assert [3] == ax.lines[1].get_ydata().tolist()


def test_many_groups_are_named_without_their_sizes():
    n = 20
    h = History(x=np.arange(n), t_x=np.arange(n), T=np.full(n, 39.0))
    ax = plots.calibration(h, np.ones(n), np.ones(n), most=30)
    assert [str(x) for x in range(n)] == [label.get_text() for label in ax.get_xticklabels()]
    assert "repeat purchases before" == ax.get_xlabel()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"actual": [1, 2]}, r"actual must have the shape \(6,\)"),
        ({"expected": np.ones((2, 6))}, r"expected must have the shape \(6,\)"),
        ({"actual": ["a"] * 6}, "actual must hold numbers"),
        ({"actual": [-1, 0, 0, 0, 0, 0]}, "actual must hold finite numbers of 0 or more; 1 of 6"),
        ({"expected": [np.nan] * 6}, "expected must hold finite numbers of 0 or more; 6 of 6"),
        ({"h": H.distinct()}, "a row for each customer"),
        ({"h": H.take(slice(0, 0))}, "one or more"),
        ({"most": 0}, "most must be 1 or more"),
        ({"level": 95}, "level between 0 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        plots.calibration(**({"h": H, "expected": np.ones(6), "actual": np.ones(6)} | wrong))
