"""Newborn: laws that answer for a new customer by something else, which they make of their own parameters."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from custrel.clv.law import PurchaseLaw

if TYPE_CHECKING:
    from custrel.clv.law import Living
    from custrel.stats.estimate import Array

__all__ = ["ByNewborn"]


class ByNewborn(PurchaseLaw):
    """A law of purchases whose new customer is a `Living` of whom nothing is known yet."""

    @abstractmethod
    def newborn(self) -> Living:
        """A customer of whom nothing is known yet."""

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Expected purchases of a new customer within t of the first one (which does not count)."""
        return self.newborn().expected_purchases_of_new(t)

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Expected purchases of a new customer within t of the first one, discounted at the continuous rate delta."""
        return self.newborn().discounted_purchases_of_new(t, delta)

    def activity_of_new(self, t: float | Array) -> Array:
        """Probability that a new customer makes a purchase within t of the first one."""
        return self.newborn().activity_of_new(t)

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Probability that a new customer makes n purchases within t of the first one."""
        return self.newborn().probability_of_new(n, t)

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Probability that a new customer is still there at `since`, and makes n purchases within t after it."""
        return self.newborn().probability_later_of_new(n, t, since)
