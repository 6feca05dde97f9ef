"""What each customer is worth over twelve months, by laws already fitted: custrel, lifetimes, pymc-marketing, clvkit.

    pip install . --group peers && python benchmarks/lifetime_values.py

The laws are those of the CDNOW customers, given or fitted to them before the clock starts; crowd.py says how the crowd
is chosen. Ours discounts each purchase from its own moment; theirs, month by month or week by week.
"""

import os
import warnings

import contest
import crowd
from crowd import Task

YEAR = 365.25 / 7


def _total(values: object) -> str:
    return f"in all {float(values.sum()):,.0f}"  # type: ignore[attr-defined]


def custrel(_: str) -> Task:
    """Point values of custrel, with P(alive), expected purchases and expected spend beside them."""
    from custrel import clv
    from custrel.datasets import cdnow_summary

    ltv, h = clv.LifetimeValue().fit(cdnow_summary()), crowd.history()
    job = lambda: ltv.predict(h, horizon="365.25D", annual_discount_rate=0.1, level=None)["clv"]  # noqa: E731
    return crowd.warmed(job, _total)


def lifetimes(_: str) -> Task:
    """customer_lifetime_value of lifetimes."""
    warnings.simplefilter("ignore")
    import lifetimes as peer

    from custrel.datasets import cdnow_summary

    known, frame = cdnow_summary(), crowd.table()
    purchases = peer.BetaGeoFitter().fit(known.x, known.t_x, known.T)
    paid = known.x > 0
    spend = peer.GammaGammaFitter().fit(known.x[paid], known.spend[paid])
    given = [frame[name] for name in ("frequency", "recency", "T", "monetary_value")]
    monthly = 1.1 ** (1 / 12) - 1
    job = lambda: spend.customer_lifetime_value(  # noqa: E731
        purchases, *given, time=12, discount_rate=monthly, freq="W"
    )
    return crowd.warmed(job, _total)


def clvkit(_: str) -> Task:
    """CLV.predict of clvkit."""
    warnings.simplefilter("ignore")
    import clvkit as peer

    crowded, chosen = crowd.clvkit_base(), crowd.CUSTOMERS
    crowd.CUSTOMERS, crowd.FILE = "cdnow", crowd.FILE.with_name("custrel-crowd-cdnow-days.npz")
    fitted = peer.CLV().fit(crowd.clvkit_base())
    crowd.CUSTOMERS = chosen
    job = lambda: fitted.predict(horizon=52, discount_rate=1.1 ** (1 / YEAR) - 1, cb=crowded)  # noqa: E731
    return crowd.warmed(job, lambda found: _total(found.to_pandas()["clv"]))


if __name__ == "__main__":
    everybody = {"custrel": custrel, "lifetimes": lifetimes, "clvkit": clvkit}
    chosen = everybody if os.environ.get("PEERS", "1") == "1" else {"custrel": custrel}
    crowd.columns()
    contest.run(crowd.installed(chosen), str(crowd.FILE))
