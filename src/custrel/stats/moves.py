r"""Moves: how what is known of a customer moves one process of a law, by a number z of theirs.

Covariates only build parameters: :math:`z_i = \gamma' x_i` is the sum of a customer's covariates, each times its
effect, and a move turns the parameters of all into those of customer i. At z = 0 nothing changes. A law names its
moves by process, and its formulas stay as they are.

References
----------
.. [1] Fader, P. S., & Hardie, B. G. S. (2007). Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD
   Models. Note 019. http://www.brucehardie.com/notes/019/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custrel.stats.estimate import Array

__all__ = ["Faster", "Likelier", "Move", "Scaled"]


class Move(Protocol):
    """One process of a law, and how a number moves its parameters."""

    @property
    def said(self) -> str:
        """What an effect of z does, in words."""
        ...

    def parameters(self, law: Any, z: Array) -> dict[str, Array]:
        """The parameters of customers whom z moves, by name."""
        ...

    def chain(self, law: Any, z: Array, slopes: Mapping[str, Array]) -> tuple[dict[str, Array], Array]:
        """Slopes in the moved parameters turned into those in the logarithms of the law's own, and in z."""
        ...


@dataclass(frozen=True)
class Scaled:
    r"""A scale grows with z: :math:`\theta_i = \theta e^{z_i}`, as the values of purchases do.

    Parameters
    ----------
    scale
        Name of the parameter.

    Examples
    --------
    >>> from custrel.clv import GammaGamma
    >>> Scaled("gamma").parameters(GammaGamma(p=6.25, q=3.74, gamma=15.0), np.log([1.0, 2.0]))
    {'gamma': array([15., 30.])}
    """

    scale: str
    sign = 1

    @property
    def said(self) -> str:
        """What an effect of z does."""
        return "multiplies the mean by exp(effect)"

    def parameters(self, law: Any, z: Array) -> dict[str, Array]:
        """The scale of each customer."""
        return {self.scale: getattr(law, self.scale) * np.exp(self.sign * z)}

    def chain(self, law: Any, z: Array, slopes: Mapping[str, Array]) -> tuple[dict[str, Array], Array]:
        """Both move the logarithm of the scale."""
        slope = self.parameters(law, z)[self.scale] * slopes[self.scale]
        return {self.scale: slope}, np.asarray(self.sign * slope)


@dataclass(frozen=True)
class Faster(Scaled):
    r"""All happens :math:`e^{z_i}` times as fast: the rates are Gamma, and :math:`\alpha_i = \alpha e^{-z_i}` [1]_.

    Parameters
    ----------
    scale
        Name of the rate parameter of the gamma distribution.

    References
    ----------
    .. [1] Fader, P. S., & Hardie, B. G. S. (2007). Incorporating Time-Invariant Covariates into the Pareto/NBD and
       BG/NBD Models. Note 019. http://www.brucehardie.com/notes/019/

    Examples
    --------
    >>> from custrel.clv import NBD
    >>> Faster("alpha").parameters(NBD(r=0.4, alpha=12.0), np.log([1.0, 2.0]))
    {'alpha': array([12.,  6.])}
    """

    sign = -1

    @property
    def said(self) -> str:
        """What an effect of z does."""
        return "multiplies the rate by exp(effect)"


@dataclass(frozen=True)
class Likelier:
    r"""A probability that is Beta(a, b) grows likelier: the odds of its mean grow :math:`e^{z_i}`-fold.

    The sum a + b, which says how much customers are alike, stays. To scale a and b alike would move that sum alone,
    and not the mean.

    Parameters
    ----------
    a, b
        Names of the two parameters.

    Examples
    --------
    A mean of 1 / 4 has odds of 1 to 3; three times as likely are odds of 3 to 3.

    >>> from custrel.clv import BGNBD
    >>> Likelier("a", "b").parameters(BGNBD(r=0.2, alpha=4.0, a=1.0, b=3.0), np.log([1.0, 3.0]))
    {'a': array([1., 2.]), 'b': array([3., 2.])}
    """

    a: str
    b: str

    @property
    def said(self) -> str:
        """What an effect of z does."""
        return "multiplies the odds of the mean probability by exp(effect)"

    def parameters(self, law: Any, z: Array) -> dict[str, Array]:
        """The two parameters of each customer."""
        both, odds = self._sum_and_odds(law, z)
        return {self.a: both * expit(odds), self.b: both * expit(-odds)}

    def chain(self, law: Any, z: Array, slopes: Mapping[str, Array]) -> tuple[dict[str, Array], Array]:
        """The logarithm of a moves the odds, as z does, and the sum; that of b moves the odds back."""
        both, odds = self._sum_and_odds(law, z)
        p, q = expit(odds), expit(-odds)
        along = both * p * q * (slopes[self.a] - slopes[self.b])
        wider = p * slopes[self.a] + q * slopes[self.b]
        return {self.a: getattr(law, self.a) * wider + along, self.b: getattr(law, self.b) * wider - along}, along

    def _sum_and_odds(self, law: Any, z: Array) -> tuple[Array, Array]:
        a, b = getattr(law, self.a), getattr(law, self.b)
        return a + b, np.asarray(np.log(a) - np.log(b) + z)
