"""CDNOW: what 2,357 new customers of an online music shop bought from January 1997 to June 1998.

The one-in-ten sample of Fader and Hardie, on which most papers of the field print their figures.

References
----------
.. [1] Fader, P. S., & Hardie, B. G. S. (2001). Forecasting Repeat Sales at CDNOW: A Case Study. Interfaces 31(3),
   S94-S107. https://doi.org/10.1287/inte.31.3s.94.9683. Data: http://www.brucehardie.com/datasets/
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from custrel.history import History
from custrel.interactions import Interactions

__all__ = ["cdnow", "cdnow_frame", "cdnow_summary"]


def cdnow_frame() -> Any:
    """The raw log as a pandas frame: customer_id, date, cds, spend (US dollars), a row for each of 6,919 orders.

    Examples
    --------
    >>> cdnow_frame().shape
    (6919, 4)
    """
    import pandas as pd  # importing custrel must not import pandas

    with (files("custrel.datasets") / "cdnow.csv").open() as text:
        return pd.read_csv(text, dtype={"customer_id": str}, parse_dates=["date"])


def cdnow() -> Interactions:
    """The log as interactions of kind purchase.

    Examples
    --------
    >>> cdnow()
    Interactions: 6,919 purchase
    """
    columns = {"occurred_at": "date", "amount": "spend", "quantity": "cds"}
    return Interactions.from_frame(cdnow_frame(), kind="purchase", columns=columns)


def cdnow_summary() -> History:
    """The history of the papers: 39 weeks, through 1997-09-30, same-day orders merged, in weeks.

    Examples
    --------
    >>> cdnow_summary()
    History of 2,357 customers: 2,457 repeat purchases by 946 of them, watched for up to 38.86 weeks
    """
    return cdnow().history(until="1997-09-30", unit="week")
