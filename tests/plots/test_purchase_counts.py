import numpy as np
import pandas as pd
import pytest

from custrel import plots
from custrel.errors import DomainError, SchemaError
from custrel.frames import leave
from custrel.plots.purchase_counts import purchase_counts

CELLS = pd.DataFrame(
    {"purchases": ["0", "1", "2 to 9", "10+"], "actual": [700, 200, 90, 10], "expected": [662.0, 225.5, 97.5, 15.0]}
)


def bars(ax):
    return [[bar.get_height() for bar in container] for container in ax.containers]


def words(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def test_what_came_stands_beside_what_was_expected():
    ax = purchase_counts(CELLS)
    came, expected = ax.containers
    assert [CELLS["actual"].tolist(), CELLS["expected"].tolist()] == bars(ax)
    assert all(one.get_x() + one.get_width() <= other.get_x() for one, other in zip(came, expected, strict=True))
    assert CELLS["purchases"].tolist() == words(ax)
    assert "How often 1,000 customers bought, as it came and as expected" == ax.get_title(loc="left")


def test_what_came_and_what_was_expected_have_colours_of_their_own_that_name_them():
    ax = purchase_counts(CELLS)
    named = {text.get_text(): text.get_color() for text in ax.texts}
    assert {"came": plots.canvas.DATA, "expected": plots.canvas.MODEL} == named


def test_cells_stand_in_order_whatever_that_of_the_rows():
    ax = purchase_counts(CELLS.iloc[[3, 1, 0, 2]])
    assert CELLS["purchases"].tolist() == words(ax)
    assert [CELLS["actual"].tolist(), CELLS["expected"].tolist()] == bars(ax)


@pytest.mark.parametrize(("heights", "side"), [([9, 4, 1], "right"), ([1, 4, 9], "left"), ([5], "right")])
def test_names_stand_in_the_corner_that_the_highest_bars_leave_free(heights, side):
    cells = {"purchases": [str(n) for n in range(len(heights))], "actual": heights, "expected": heights}
    ax = purchase_counts(pd.DataFrame(cells))
    assert [side] * 2 == [text.get_ha() for text in ax.texts]


def test_of_very_many_cells_some_are_named():
    n = np.arange(75)
    names = ["0 to 4", *(f"{k}" for k in n[5:]), "75+"]
    ax = purchase_counts(pd.DataFrame({"purchases": names, "actual": 1.0, "expected": 1.0}))
    assert 20 >= len(words(ax))
    assert ["7", "11"] == words(ax)[:2]
    assert "75+" == words(ax)[-1]


def test_numbers_may_stand_for_names():
    ax = purchase_counts(pd.DataFrame({"purchases": [1, 0], "actual": [3, 7], "expected": [4.0, 6.0]}))
    assert ["0", "1"] == words(ax)


def test_nobody_at_all_can_be_drawn():
    ax = purchase_counts(pd.DataFrame({"purchases": ["0+"], "actual": [0], "expected": [0.0]}))
    assert 0 == ax.get_ylim()[0] < ax.get_ylim()[1]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    columns = {name: CELLS[name].to_numpy() for name in CELLS}
    assert bars(purchase_counts(CELLS)) == bars(purchase_counts(leave(columns, like=library)))


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (CELLS.drop(columns="expected"), SchemaError, "no column 'expected' for a picture of purchase counts"),
        (CELLS.assign(purchases="many"), SchemaError, "names such as '0' or '7\\+' in 'purchases', found 'many'"),
        (CELLS.head(0), DomainError, "one cell or more; this frame has no rows"),
        (CELLS.assign(actual=-1), DomainError, "actual must hold finite numbers of 0 or more; 4 of 4"),
        (CELLS.assign(expected=np.nan), DomainError, "expected must hold finite numbers of 0 or more; 4 of 4"),
        (CELLS.assign(expected="a"), DomainError, "expected must hold numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, error, said):
    with pytest.raises(error, match=said):
        purchase_counts(wrong)
