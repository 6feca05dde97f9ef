"""Laws fitted to one crowd by custrel, lifetimes, pymc-marketing (MAP, flat priors) and clvkit, in turn.

    pip install . --group peers && python benchmarks/fit_laws.py

LAW=BGNBD, MBGNBD or ParetoNBD; ROUNDS=3 how often; PEERS=0 leaves the others out; crowd.py says how the crowd is
chosen.
"""

import os
import warnings

import contest
import crowd
from crowd import Task

LAW = os.environ.get("LAW", "BGNBD")
THEIR_NAMES = {
    "BGNBD": {"lifetimes": "BetaGeoFitter", "pymc-marketing": "BetaGeoModel", "clvkit": "BGNBD"},
    "MBGNBD": {"lifetimes": "ModifiedBetaGeoFitter", "pymc-marketing": "ModifiedBetaGeoModel", "clvkit": "MBGNBD"},
    "ParetoNBD": {"lifetimes": "ParetoNBDFitter", "pymc-marketing": "ParetoNBDModel"},
}


def custrel(_: str) -> Task:
    """Fit of custrel, with its standard errors."""
    from custrel import clv

    h = crowd.history()
    return crowd.warmed(lambda: getattr(clv, LAW).fit(h))


def lifetimes(_: str) -> Task:
    """Fit of lifetimes."""
    warnings.simplefilter("ignore")
    import lifetimes as peer

    c, fitter = crowd.columns(), getattr(peer, THEIR_NAMES[LAW]["lifetimes"])
    return crowd.warmed(lambda: fitter().fit(c["x"], c["t_x"], c["T"]), lambda fit: f"{fit.params_.to_dict()}")


def pymc_marketing(_: str) -> Task:
    """The most probable parameters of pymc-marketing under flat priors; the model is built before the clock starts."""
    warnings.simplefilter("ignore")
    from pymc_extras.prior import Prior
    from pymc_marketing import clv as peer

    names = {"ParetoNBD": ("r", "alpha", "s", "beta")}.get(LAW, ("r", "alpha", "a", "b"))
    law = getattr(peer, THEIR_NAMES[LAW]["pymc-marketing"])
    model = law(data=crowd.table(), model_config={name: Prior("HalfFlat") for name in names})
    model.build_model()
    return crowd.warmed(
        lambda: model.fit(method="map", progressbar=False), lambda _: f"{model.fit_summary().to_dict()}"
    )


def clvkit(_: str) -> Task:
    """Fit of clvkit."""
    warnings.simplefilter("ignore")
    import clvkit.clv as peer

    base, law = crowd.clvkit_base(), getattr(peer, THEIR_NAMES[LAW]["clvkit"])
    return crowd.warmed(lambda: law().fit(base), lambda fit: f"{fit.params_.to_dict()}")


if __name__ == "__main__":
    everybody = {"custrel": custrel, "lifetimes": lifetimes, "pymc-marketing": pymc_marketing, "clvkit": clvkit}
    able = {name: job for name, job in everybody.items() if name == "custrel" or name in THEIR_NAMES[LAW]}
    chosen = able if os.environ.get("PEERS", "1") == "1" else {"custrel": custrel}
    crowd.columns()
    contest.run(crowd.installed(chosen), str(crowd.FILE))
