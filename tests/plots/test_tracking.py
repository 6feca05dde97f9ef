from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from matplotlib import dates
from numpy.testing import assert_array_equal

from custrel import clv, datasets, plots
from custrel.errors import DomainError, SchemaError
from custrel.frames import leave

LAW = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


@pytest.fixture(scope="module")
def weeks():
    return clv.tracking(LAW, datasets.cdnow(), until="1998-06-30", born_until="1997-09-30")


def drawn(ax):
    return [np.asarray(line.get_ydata()) for line in ax.lines]


def shaded(ax):
    """First and last day of the shade."""
    (shade,) = ax.patches
    days = ax.transData.inverted().transform(shade.get_window_extent())[:, 0]
    return [dates.num2date(day).date() for day in np.round(days, 6)]


def test_the_lines_are_what_came_and_what_was_expected(weeks):
    came, expected = drawn(plots.tracking(weeks))
    assert_array_equal(weeks["actual_cumulative"], came)
    assert_array_equal(weeks["expected_cumulative"], expected)


def test_without_sums_each_period_stands_for_itself(weeks):
    ax = plots.tracking(weeks, cumulative=False)
    came, expected = drawn(ax)
    assert_array_equal(weeks["actual"], came)
    assert_array_equal(weeks["expected"], expected)
    assert "Repeat purchases, week by week" == ax.get_title(loc="left")


def test_the_order_of_rows_does_not_matter(weeks):
    came, _ = drawn(plots.tracking(weeks.sample(frac=1, random_state=1)))
    assert_array_equal(weeks["actual_cumulative"], came)


@pytest.mark.parametrize(
    "end",
    [
        "1997-09-30",
        date(1997, 9, 30),
        datetime(1997, 9, 30, tzinfo=UTC),
        pd.Timestamp("1997-09-30"),
        np.datetime64("1997-09-30"),
    ],
)
def test_what_comes_after_the_calibration_is_shaded_and_named(weeks, end):
    ax = plots.tracking(weeks, calibration_end=end)
    assert [date(1997, 9, 30), date(1998, 6, 30)] == shaded(ax)
    assert "held out" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("end", [None, "1998-06-30", "2001-01-01"])
def test_nothing_is_shaded_where_nothing_was_held_out(weeks, end):
    ax = plots.tracking(weeks, calibration_end=end)
    assert not ax.patches
    assert ["came", "expected"] == sorted(text.get_text() for text in ax.texts)


def test_all_is_shaded_where_all_was_held_out(weeks):
    ax = plots.tracking(weeks, calibration_end="1990-01-01")
    assert [date(1996, 12, 31), date(1998, 6, 30)] == shaded(ax)


def test_one_period_is_a_point(weeks):
    ax = plots.tracking(weeks.head(1))
    assert ["o", "o"] == [line.get_marker() for line in ax.lines]
    assert ["1997-01-07"] == [label.get_text() for label in ax.get_xticklabels()]
    assert "end of the period" == ax.get_xlabel()


@pytest.mark.parametrize(("step", "name"), [("1D", "day"), ("7D", "week"), ("1h", "hour"), ("11D", "period")])
def test_periods_are_called_by_their_length(step, name):
    end = pd.date_range("1997-01-07", periods=9, freq=step)
    frame = pd.DataFrame({"end": end, "actual": range(9), "expected": range(9)})
    assert f"repeat purchases in the {name}" == plots.tracking(frame, cumulative=False).get_ylabel()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    end = np.array(["1997-01-07", "1997-01-14"], dtype="datetime64[us]")
    frame = leave({"end": end, "actual": np.array([3, 1]), "expected": np.array([2.5, 2.0])}, like=library)
    came, expected = drawn(plots.tracking(frame, cumulative=False))
    assert_array_equal([3, 1], came)
    assert_array_equal([2.5, 2.0], expected)


def test_a_missing_column_is_named(weeks):
    with pytest.raises(SchemaError, match="no column 'expected_cumulative'"):
        plots.tracking(weeks.drop(columns="expected_cumulative"))


@pytest.mark.parametrize(
    "wrong",
    [{"end": "soon"}, {"actual_cumulative": "many"}, {"end": pd.NaT}, {"expected_cumulative": np.nan}],
)
def test_columns_of_something_else_are_refused(weeks, wrong):
    with pytest.raises(SchemaError, match="a tracking picture wants"):
        plots.tracking(weeks.assign(**wrong))


def test_a_frame_without_rows_is_refused(weeks):
    with pytest.raises(DomainError, match="no rows"):
        plots.tracking(weeks.head(0))


@pytest.mark.parametrize("end", ["soon", 39, pd.NaT])
def test_a_calibration_end_that_is_no_date_is_refused(weeks, end):
    with pytest.raises(DomainError, match="calibration_end must be a date"):
        plots.tracking(weeks, calibration_end=end)
