"""Random numbers that many customers share, so that a customer's forecast never depends on who else is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import betaincinv, gammaincinv

from custrel.stats.estimate import Array

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SharedNumbers"]


class SharedNumbers:
    """One stream of random numbers, a column ``(draws, 1)`` at a time, the same for every customer.

    Each column is stratified (one number in each of `draws` equal slices of the unit interval, in random order), which
    makes quantiles over the draws several times more exact than independent numbers would.

    Parameters
    ----------
    draws
        Length of each column.
    seed
        The same seed gives the same stream.

    Examples
    --------
    >>> u = SharedNumbers(draws=4, seed=0).uniform()
    >>> u.shape, sorted(np.floor(4 * u).ravel().tolist())
    ((4, 1), [0.0, 1.0, 2.0, 3.0])
    """

    def __init__(self, draws: int, seed: int) -> None:
        self.draws = draws
        self._rng = np.random.default_rng(seed)
        self._tape: list[Array] = []
        self._made: dict[tuple[Any, ...], Array] = {}
        self._at = 0

    def again(self) -> Self:
        """The same stream from its beginning."""
        self._at = 0
        return self

    def _column(self, make: Callable[[], Array]) -> Array:
        """The next column of the stream, made once and then remembered."""
        if self._at == len(self._tape):
            self._tape.append(make())
        self._at += 1
        return self._tape[self._at - 1]

    def _stratified(self) -> Array:
        slices = self._rng.permutation(self.draws)
        return ((slices + self._rng.random(self.draws)) / self.draws).reshape(-1, 1).clip(1e-15, 1 - 1e-15)

    def uniform(self) -> Array:
        """Uniform on (0, 1)."""
        return self._column(self._stratified)

    def exponential(self) -> Array:
        """Exponential with mean 1."""
        return self._column(lambda: np.asarray(-np.log(self._stratified())))

    def gamma(self, shape: float | Array) -> Array:
        """Gamma with unit scale, by its inverse distribution function: ``(draws, ...)`` for shapes that broadcast."""
        return self._by_inverse(gammaincinv, shape)

    def beta(self, a: float | Array, b: float | Array) -> Array:
        """Beta, by its inverse distribution function: ``(draws, ...)`` for parameters that broadcast."""
        return self._by_inverse(betaincinv, a, b)

    def _by_inverse(self, inverse: Callable[..., Array], *parameters: float | Array) -> Array:
        """A column of inverses is made once: many blocks of customers ask for the same one."""
        u = self.uniform()
        if any(np.shape(value) not in {(), (self.draws, 1)} for value in parameters):
            return np.asarray(inverse(*parameters, u))
        key = (self._at, *(np.asarray(value).tobytes() for value in parameters))
        if key not in self._made:
            self._made[key] = np.asarray(inverse(*parameters, u))
        return self._made[key]
