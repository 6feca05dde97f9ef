import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel.clv.evidence.deciles import calibration_by_deciles
from custrel.errors import DomainError, SchemaError
from custrel.frames import leave
from custrel.plots.deciles import deciles

GROUPS = pd.DataFrame(
    {
        "group": [1, 2, 3],
        "n": [1200, 1100, 1],
        "expected": [0.2, 0.7, 2.0],
        "actual": [0.0, 0.9, 3.0],
        "low": [np.nan, 0.8, np.nan],
        "high": [np.nan, 1.1, np.nan],
    }
)


def bars(ax):
    """Lower and upper end of each group's bar, nan where there is none."""
    (bar,) = [container.lines[2][0] for container in ax.containers]
    ends = [path.vertices[:, 1] for path in bar.get_paths()]
    return np.array([end if end.size else (np.nan, np.nan) for end in ends])


def words(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def test_the_lines_are_what_was_expected_and_what_came():
    ax = deciles(GROUPS)
    expected, came = ax.lines[0], ax.lines[1]
    assert GROUPS["expected"].tolist() == expected.get_ydata().tolist()
    assert GROUPS["actual"].tolist() == came.get_ydata().tolist()
    assert [1, 2, 3] == came.get_xdata().tolist()
    assert_allclose([(np.nan, np.nan), (0.8, 1.1), (np.nan, np.nan)], bars(ax))
    assert ["1\n1,200", "2\n1,100", "3\n1"] == words(ax)
    assert ["came", "expected"] == sorted(text.get_text() for text in ax.texts)


def test_the_order_of_rows_does_not_matter():
    ax = deciles(GROUPS.iloc[[2, 0, 1]])
    assert GROUPS["actual"].tolist() == ax.lines[1].get_ydata().tolist()


def test_what_the_means_are_of_is_said():
    assert "mean purchases of a customer" == deciles(GROUPS).get_ylabel()
    assert "share who bought" == deciles(GROUPS, of="share who bought").get_ylabel()


def test_many_groups_are_named_by_whole_numbers_without_their_sizes():
    expected = np.arange(100) / 10
    ax = deciles(calibration_by_deciles(expected, expected, groups=25))
    assert "group, from the least expected to the most" == ax.get_xlabel()
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_one_group_is_a_point():
    ax = deciles(GROUPS.tail(1))
    assert [3.0] == ax.lines[1].get_ydata().tolist()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    ax = deciles(leave({name: GROUPS[name].to_numpy() for name in GROUPS}, like=library))
    assert GROUPS["actual"].tolist() == ax.lines[1].get_ydata().tolist()
    assert_allclose((0.8, 1.1), bars(ax)[1])


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (GROUPS.drop(columns="n"), SchemaError, "no column 'n' for a picture of deciles"),
        (GROUPS.assign(expected="much"), SchemaError, "wants numbers in every column"),
        (GROUPS.assign(actual=np.nan), SchemaError, "group, n, expected and actual; some are missing"),
        (GROUPS.head(0), DomainError, "one group or more; this frame has no rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, error, said):
    with pytest.raises(error, match=said):
        deciles(wrong)
