"""Groups by labels of any kind, told alike to every library."""

import decimal
import uuid
from datetime import date

import numpy as np
import pandas as pd
import pytest

from custrel.clv.groups import grouped
from custrel.errors import DomainError
from custrel.frames import leave

LABELS = {
    "numbers": [2, 1, 2],
    "numbers as objects": np.array([2, 1, 2], dtype=object),
    "whole and broken numbers": np.array([2.5, 1, 2.5], dtype=object),
    "large numbers": [10**30, 1, 10**30],
    "flags": np.array([True, False, True], dtype=object),
    "decimals": [decimal.Decimal("2.5"), decimal.Decimal(1), decimal.Decimal("2.5")],
    "days": [date(2024, 2, 1), date(2024, 1, 1), date(2024, 2, 1)],
    "days of NumPy": np.array(["2024-02", "2024-01", "2024-02"], dtype="M8[M]"),
    "seconds of NumPy": np.array([9, 8, 9], dtype="M8[s]"),
    "spans of days": np.array([2, 1, 2], dtype="m8[D]"),
    "moments with a zone": pd.Series(pd.to_datetime(["2024-02-01", "2024-01-01", "2024-02-01"], utc=True)),
    "periods": pd.Series(pd.PeriodIndex(["2024-02", "2024-01", "2024-02"], freq="M")),
    "intervals": pd.cut(pd.Series([30, 20, 30]), [10, 25, 40]),
    "identifiers": [uuid.UUID(int=2), uuid.UUID(int=1), uuid.UUID(int=2)],
    "nullable numbers": pd.Series([2, 1, 2], dtype="Int64"),
    "text": pd.Series(["b", "a", "b"], dtype="string"),
}


@pytest.mark.parametrize("like", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_every_kind_leave_in_every_library(labels, like):
    pytest.importorskip(like)
    groups = grouped(labels, 3)
    frame = leave(groups.columns(np.ones(3)), like=like)
    assert [1, 0, 1] == groups.of.tolist()
    assert [1, 2] == list(frame["n"].to_pylist() if like == "pyarrow" else frame["n"])


def test_numbers_stay_numbers_and_what_no_library_holds_is_written():
    assert [1.0, 2.5] == grouped(LABELS["whole and broken numbers"], 3).labels["group"].tolist()
    assert "i" == grouped(LABELS["numbers as objects"], 3).labels["group"].dtype.kind
    assert ["2024-01", "2024-02"] == grouped(LABELS["periods"], 3).labels["group"].tolist()
    assert ["(10, 25]", "(25, 40]"] == grouped(LABELS["intervals"], 3).labels["group"].tolist()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, "a", 1], "labels of 'group' must be of one kind; found numbers and text: make all of them text"),
        (np.array([True, 1, 2], dtype=object), "found flags and numbers"),
        ([date(2024, 1, 1), "x", "y"], "found dates and text"),
        (["a", None, "a"], "'group' is missing for 1 of 3 customers: give them a label"),
        ([1, None, 2], "'group' is missing for 1 of 3 customers"),
        (np.array([1, "a", None], dtype=object), "'group' is missing for 1 of 3 customers"),
        ([(1, 2), (3, 4), (1, 2)], "got shape (3, 2): name several such, as {'channel': ..., 'year': ...}"),
        ([1j, 2j, 1j], "must have an order"),
    ],
)
def test_labels_that_make_no_groups_are_refused(labels, words):
    with pytest.raises(DomainError) as error:
        grouped(labels, 3)
    assert words in str(error.value)
