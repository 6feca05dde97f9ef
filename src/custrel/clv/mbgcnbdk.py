r"""MBG/CNBD-k: while here, customers buy with some regularity; after any purchase, the first one too, they may leave.

As in the BG/CNBD-k the times between a customer's purchases are Erlang-k, with a rate :math:`\lambda` of their own,
Gamma(r, alpha) among customers, and after a purchase they leave with a probability p of their own, Beta(a, b). But the
first chance to leave comes at once. With k = 1 it is the MBG/NBD.

It wants what the BG/CNBD-k wants: x, t_x, T and the sum of the logarithms of the times between purchases. Prefer it to
that law where many buy once and never again.

Whoever passed the first chance is a customer of the BG/CNBD-k with b + 1, which is all that is needed.

References
----------
.. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer
   Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
.. [2] Reutterer, T., Platzer, M., & Schröder, N. (2021). Leveraging purchase regularity for predicting customer
   behavior the easy way. International Journal of Research in Marketing 38(1), 194-215.
   https://doi.org/10.1016/j.ijresmar.2020.09.002
"""

from __future__ import annotations

from dataclasses import dataclass

from custrel.clv.bgcnbdk import RegularLaw

__all__ = ["MBGCNBDk"]


@dataclass(frozen=True, eq=False)
class MBGCNBDk(RegularLaw):
    r"""The MBG / CNBD-k law of Platzer and Reutterer (2016) [1]_; see also [2]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of the rates of events: purchases come at a mean rate of r / (k alpha)
        per unit of time.
    a, b
        Parameters of the beta distribution of leaving after a purchase: its mean is a / (a + b).
    k
        How regular purchases are: times between them are Erlang-k. 1 is no regularity at all, the MBG/NBD.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite, or k no whole number of 1 or more.

    References
    ----------
    .. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict
       Customer Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
    .. [2] Reutterer, T., Platzer, M., & Schröder, N. (2021). Leveraging purchase regularity for predicting customer
       behavior the easy way. International Journal of Research in Marketing 38(1), 194-215.
       https://doi.org/10.1016/j.ijresmar.2020.09.002

    Examples
    --------
    Of customers who all leave with probability 1/2, half pass the first chance.

    >>> from custrel import History
    >>> law = MBGCNBDk(r=1.0, alpha=1.0, a=1e6, b=1e6, k=3)
    >>> round(float(law.p_alive(History(x=[0], t_x=[0], T=[0]))[0]), 4)
    0.5
    """

    before = 1
