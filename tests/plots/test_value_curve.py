import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel import plots
from custrel.errors import DomainError, SchemaError


def words(ax):
    return [text.get_text() for text in ax.texts if text.get_text().startswith("top")]


def test_the_curve_is_the_share_of_the_most_valuable():
    ax = plots.value_curve([10.0, 60.0, 0.0, 30.0])
    assert_allclose([0, 0.25, 0.5, 0.75, 1], ax.lines[1].get_xdata())
    assert_allclose([0, 0.6, 0.9, 1, 1], ax.lines[1].get_ydata())


def test_customers_of_equal_value_lie_on_the_line_that_says_so():
    ax = plots.value_curve(np.full(50, 3.0))
    assert_allclose(ax.lines[1].get_xdata(), ax.lines[1].get_ydata())
    assert ["top 10 % hold 10 %", "top 20 % hold 20 %", "top 50 % hold 50 %"] == words(ax)


def test_readings_that_say_the_same_do_not_stand_on_each_other():
    assert ["top 10 % hold 92 %", "top 50 % hold 95 %"] == words(plots.value_curve([100] + 9 * [1]))


@pytest.mark.parametrize("values", [[3.0], [5, 4, 3]])
def test_shares_that_are_not_whole_customers_are_not_read(values):
    assert [] == words(plots.value_curve(values))


@pytest.mark.parametrize("values", [[0.0], np.zeros(30)])
def test_where_there_is_no_value_the_picture_says_so(values):
    ax = plots.value_curve(values)
    assert "all values are 0:\nno share to speak of" in [text.get_text() for text in ax.texts]
    assert 0 == ax.lines[1].get_xdata().size


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "duckdb"])
def test_the_column_of_a_frame_of_any_library_is_taken(library):
    frame = pd.DataFrame({"clv": [1.0, 3.0], "worth": [1, 1]})
    if library == "polars":
        frame = pytest.importorskip("polars").DataFrame({"clv": [1.0, 3.0], "worth": [1, 1]}).lazy()
    elif library == "pyarrow":
        frame = pytest.importorskip("pyarrow").table({"clv": [1.0, 3.0], "worth": [1, 1]})
    elif library == "duckdb":
        pytest.importorskip("pyarrow")
        frame = pytest.importorskip("duckdb").sql("SELECT * FROM (VALUES (1.0, 1), (3.0, 1)) v(clv, worth)")
    assert_allclose([0, 0.75, 1], plots.value_curve(frame).lines[1].get_ydata())
    assert_allclose([0, 0.5, 1], plots.value_curve(frame, column="worth").lines[1].get_ydata())


def test_a_series_is_taken_as_values():
    assert_allclose([0, 0.75, 1], plots.value_curve(pd.Series([1.0, 3.0])).lines[1].get_ydata())


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(SchemaError, match="no column 'clv' for a value curve; did you mean 'clvs'"):
        plots.value_curve(pd.DataFrame({"clvs": [1.0]}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "one customer or more"),
        ([1.0, -2.0], "clv must hold finite numbers of 0 or more; 1 of 2 are not, the first is -2.0"),
        ([1.0, np.inf], "clv must hold finite numbers"),
        ([[1.0], [2.0]], r"clv must have the shape \(customers,\); got \(2, 1\)"),
        (["much"], "clv must hold numbers"),
    ],
)
def test_what_has_no_shares_is_refused(values, words):
    with pytest.raises(DomainError, match=words):
        plots.value_curve(values)
