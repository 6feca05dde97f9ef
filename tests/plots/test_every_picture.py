"""What every picture promises: Axes come back, the caller's are used, nothing else is touched."""

import inspect
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from custrel import History, clv, feedback, plots
from custrel.clv import BGNBD
from custrel.errors import DomainError, MissingExtraError

LAW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
HISTORY = History(x=[0, 0, 2, 2, 9], t_x=[0, 0, 3, 20, 38], T=[39, 30, 39, 25, 39])
WEEKS = pd.DataFrame(
    {
        "end": pd.to_datetime(["1997-01-07", "1997-01-14", "1997-01-21"]),
        "actual": [3, 0, 4],
        "expected": [2.5, 2.0, 1.5],
        "actual_cumulative": [3, 3, 7],
        "expected_cumulative": [2.5, 4.5, 6.0],
    }
)
BACKTEST = pd.DataFrame(
    {
        "cutoff": pd.to_datetime(["1997-06-30", "1997-09-30"]).repeat(3),
        "law": ["NBD", "BGNBD", "SameAsBefore"] * 2,
        "baseline": [False, False, True] * 2,
        "crps": [0.26, 0.23, 0.4, 0.24, 0.22, 0.3],
    }
)
CELLS = pd.DataFrame({"purchases": ["0", "1", "2+"], "actual": [70, 20, 10], "expected": [66.2, 22.5, 11.3]})
GROUPS = clv.calibration_by_deciles([0.1, 0.2, 1.0, 1.5, 5.0, 6.0], [0, 1, 0, 2, 7, 5], groups=3)
BINS = clv.randomised_pit(LAW, HISTORY, seed=1).table()
DRIVERS = pd.DataFrame(
    {
        "driver": ["staff", "price"],
        "value": [0.3, 0.1],
        "low": [0.2, 0.05],
        "high": [0.4, 0.2],
        "performance": [0.4, 0.7],
        "importance_cut": 0.2,
        "performance_cut": 0.55,
        "r_squared": 0.4,
    }
)
REGIONS = feedback.nps(pd.DataFrame({"region": ["north"] * 4, "score": [10, 9, 7, 0]}), by="region")
MONTHS = pd.DataFrame({"period": [1, 2, 3], "value": [0.4, 0.6, 0.5], "n": [100, 100, 100]})
PICTURES = {
    "backtest": lambda ax=None: plots.backtest(BACKTEST, ax=ax),
    "calibration": lambda ax=None: plots.calibration(HISTORY, [0.1, 0.2, 1.0, 1.5, 5.0], [0, 1, 0, 2, 7], ax=ax),
    "deciles": lambda ax=None: plots.deciles(GROUPS, ax=ax),
    "feedback_trend": lambda ax=None: plots.feedback_trend(feedback.control_chart(MONTHS, kind="share"), ax=ax),
    "key_drivers": lambda ax=None: plots.key_drivers(DRIVERS, ax=ax),
    "nps_bars": lambda ax=None: plots.nps_bars(REGIONS, ax=ax),
    "frequency_recency": lambda ax=None: plots.frequency_recency(LAW, 39, max_x=6, ax=ax),
    "pit_histogram": lambda ax=None: plots.pit_histogram(BINS, ax=ax),
    "purchase_counts": lambda ax=None: plots.purchase_counts(CELLS, ax=ax),
    "tracking": lambda ax=None: plots.tracking(WEEKS, calibration_end="1997-01-14", ax=ax),
    "value_curve": lambda ax=None: plots.value_curve([5.0, 0.0, 1.0], ax=ax),
}
each_picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)


def test_every_picture_of_the_face_is_tried_here():
    assert set(plots.__all__) == set(PICTURES)


@each_picture
def test_axes_come_back_on_a_figure_of_their_own(draw):
    ax = draw()
    assert isinstance(ax, Axes)
    assert [ax.figure.number] == plt.get_fignums()


@each_picture
def test_the_axes_of_the_caller_are_drawn_on_and_no_figure_is_opened(draw):
    _, (left, right) = plt.subplots(1, 2)
    assert left is draw(ax=left)
    assert left.has_data()
    assert not right.has_data()
    assert 1 == len(plt.get_fignums())


@each_picture
def test_settings_and_current_axes_are_left_alone(draw):
    _, (left, right) = plt.subplots(1, 2)
    plt.sca(right)
    settings = mpl.rcParams.copy()
    draw(ax=left)
    assert right is plt.gca()
    assert settings == mpl.rcParams


@each_picture
def test_nothing_is_shown(draw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_args, **_kwargs: pytest.fail("a picture was shown"))
    draw()


@each_picture
def test_a_picture_can_be_drawn_on_a_part_of_a_figure(draw):
    upper, _ = plt.figure().subfigures(2, 1)
    ax = upper.subplots()
    assert ax is draw(ax=ax)


@each_picture
def test_there_is_a_title_and_both_axes_are_named(draw):
    ax = draw()
    assert all([ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()])


@each_picture
def test_words_stay_on_the_paper(draw):
    ax = draw()
    ax.figure.draw_without_rendering()
    paper = ax.figure.bbox.padded(1)
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert all(paper.x0 <= box.x0 and box.x1 <= paper.x1 and box.y1 <= paper.y1 for box in boxes)


@each_picture
def test_what_is_no_axes_is_refused(draw):
    with pytest.raises(DomainError, match="ax must be matplotlib Axes or None, got ndarray"):
        draw(ax=np.array([1, 2]))


@each_picture
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r'pip install "custrel\[plot\]"'):
        draw()


@pytest.mark.parametrize("name", plots.__all__)
def test_ax_is_asked_for_by_name(name):
    parameter = inspect.signature(getattr(plots, name)).parameters["ax"]
    assert (inspect.Parameter.KEYWORD_ONLY, None) == (parameter.kind, parameter.default)
