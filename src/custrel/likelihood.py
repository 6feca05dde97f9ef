"""The likelihood of a law over many customers: a hill to climb, and a density to draw from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from custrel.errors import DomainError
from custrel.stats.maximise import Hill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from custrel.stats.estimate import Array

__all__ = ["BLOCK", "SAMPLE", "Likelihood", "Rows", "kept", "likelihood_of", "sampled"]

BLOCK = 32_768  # rows: a block's temporaries stay in a core's cache
SAMPLE = 16_384  # customers of the first climb
CELLS = 1 << 16  # places x rows at a time: the same


class Rows(Protocol):
    """What a likelihood is summed over: a dataclass whose rows stand for so many customers, `n`, each."""

    @property
    def unit(self) -> str:
        """Unit of its times."""

    @property
    def like(self) -> str:
        """The library whose frames answers leave as."""

    @property
    def weights(self) -> Array:
        """How many customers each row stands for."""

    @property
    def customers(self) -> float:
        """How many in all."""

    def __len__(self) -> int: ...

    def take(self, rows: Any) -> Self:
        """Some rows."""

    def blocks(self, size: int) -> Iterator[Self]:
        """Consecutive pieces of at most so many rows."""

    def standing_for(self, n: Array) -> Self:
        """The same rows, each for so many customers."""


class Likelihood(Hill):
    """The mean log-likelihood of a law on the log scale of its parameters, its blocks summed by several threads."""

    def __init__(self, law: Any, data: Rows, each: Callable[..., Iterable[Any]] = map) -> None:
        self.law, self.customers = law, data.customers
        self.blocks = list(data.blocks(BLOCK))
        self.each = each if len(self.blocks) > 1 else map

    def of_draws(self, places: Array) -> Array:
        """Log-likelihood of all customers at each place on the log scale, ``(places, parameters)``."""
        found = np.zeros(len(places))
        for h in self.blocks:
            step = max(1, CELLS // max(1, len(h)))
            parts = [slice(start, start + step) for start in range(0, len(places), step)]
            found += np.concatenate(
                [found[:0], *(self.law.at_log(places[part]).log_likelihood(h) @ h.weights for part in parts)]
            )
        return found

    def value(self, position: Array) -> float:
        """Mean log-likelihood at a place on the log scale."""
        model = self.law.at_log(position)
        return float(sum(self.each(lambda h: h.weights @ model.log_likelihood(h), self.blocks)) / self.customers)

    def gradient(self, position: Array) -> Array:
        """Its slope, by the exact score."""
        model = self.law.at_log(position)
        score = sum(self.each(lambda h: model.score(h) @ h.weights, self.blocks))
        return np.asarray(model.stretch(position) * score / self.customers)

    def slope(self, position: Array) -> tuple[Array, Array]:
        """The same, and less the covariance of the score, which stands in for the Hessian far from the top."""
        model, scale = self.law.at_log(position), self.law.stretch(position)
        sums = [self._sums(model.score(h), h.weights) for h in self.blocks]
        gradient, outer = (sum(parts) / self.customers for parts in zip(*sums, strict=True))
        gradient = np.asarray(scale * gradient)
        return gradient, np.asarray(np.outer(gradient, gradient) - np.outer(scale, scale) * outer)

    def hessian(self, position: Array, step: float = 1e-4) -> Array:
        """By differences of the score; a law that knows a shorter way goes it."""
        if getattr(self.law, "log_hessian", None) is None:
            return super().hessian(position, step)
        return self._shorter(position, step, central=True)

    def rough_hessian(self, position: Array, gradient: Array, step: float = 1e-5) -> Array:
        """The same by forward differences."""
        if getattr(self.law, "log_hessian", None) is None:
            return super().rough_hessian(position, gradient, step)
        return self._shorter(position, step, central=False)

    def _shorter(self, position: Array, step: float, *, central: bool) -> Array:
        model = self.law.at_log(position)
        return np.asarray(
            sum(self.each(lambda h: model.log_hessian(h, step=step, central=central), self.blocks)) / self.customers
        )

    @staticmethod
    def _sums(score: Array, weights: Array) -> tuple[Array, Array]:
        weighted = score * weights
        return weighted.sum(axis=1), weighted @ score.T


@contextmanager
def likelihood_of(law: Any, data: Rows) -> Iterator[Likelihood]:
    """The likelihood of a law's kind, with threads for as long as it is asked."""
    with ThreadPoolExecutor() as pool:
        yield Likelihood(law, data, pool.map)


def kept(data: Rows | None, asked: str) -> Rows:
    """The customers that a fit keeps, or what to do where it came from JSON.

    >>> kept(None, "this needs")
    Traceback (most recent call last):
    custrel.errors.DomainError: this needs the customers that were fitted, which JSON does not carry: fit again
    """
    if data is None:
        raise DomainError(f"{asked} the customers that were fitted, which JSON does not carry: fit again")
    return data


def sampled(data: Rows) -> Rows:
    """Customers at equal steps through all of them, as distinct histories again."""
    ends = np.cumsum(data.weights)
    rows = np.searchsorted(ends, (np.arange(SAMPLE) + 0.5) * (ends[-1] / SAMPLE))
    chosen, n = np.unique(rows, return_counts=True)
    return data.take(chosen).standing_for(n.astype(np.float64))
