"""`python -m custrel`: who are the most valuable customers of CDNOW, how sure is that, and did the forecast hold?"""

from __future__ import annotations

from typing import Any

from custrel import clv, datasets

UNTIL, END = "1997-09-30", "1998-06-30"


def main() -> None:
    """The main job on the log that ships with the package, printed."""
    log = datasets.cdnow()
    history = log.history(until=UNTIL, unit="week")
    ltv = clv.LifetimeValue(purchases=clv.BGNBD, spend=clv.GammaGamma).fit(history)
    _say("CDNOW: a log of purchases", f"{log}\n{log.audit}\n{history}")
    for fit in (ltv.purchases_, ltv.spend_):
        _say(f"{type(fit.model).__name__}, fitted by maximum likelihood", f"{_table(fit.table())}\n\n{fit.diagnosis}")
    _say("Did the forecast hold?", _held_out(log, history, ltv.purchases_.model))
    best = ltv.predict(history, horizon=52, annual_discount_rate=0.10, margin=0.3, level=0.9).nlargest(10, "clv")
    note = "clv: margin of 30 % on the purchases of the next 52 weeks, discounted at 10 % a year, in US dollars;"
    note += "\nlow and high: where that customer's realised value will fall with 90 % probability"
    _say("The ten most valuable customers", f"{_table(best)}\n\n{note}")


def _say(title: str, text: str) -> None:
    print(f"\n{title}\n{'-' * len(title)}\n{text}")


def _table(frame: Any) -> str:
    return str(frame.to_string(index=False, float_format="{:,.3f}".format))


def _held_out(log: Any, history: Any, model: Any) -> str:
    """Repeat purchases of the weeks the fit did not see, beside two forecasts: of new customers, and of these ones."""
    weeks = clv.tracking(model, log, until=END, born_until=UNTIL)
    chosen = weeks[weeks["period"].isin([13, 26, 39, 52, 65, 78])]
    columns = ["period", "end", "actual", "expected", "actual_cumulative", "expected_cumulative"]
    actual = log.purchases_between("1997-10-01", END, customers=history).purchases.sum()
    forecast = model.expected_purchases(history, 39).sum()
    told = f"{forecast:,.0f} purchases forecast from each customer's history, {actual:,} made"
    off = f"{forecast / actual - 1:+.1%}"
    return f"{_table(chosen[columns])}\n\nWeeks 40 to 78, never seen by the fit: {told} ({off})."


if __name__ == "__main__":
    main()
