"""Medians and quartiles."""

from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """The median of a series and its middle half."""

    median: float
    low: float
    high: float
    count: int

    def text(self, digits: int = 2) -> str:
        if self.count == 1:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}..{self.high:.{digits}f})"


def spread(values: list[float]) -> Spread:
    if len(values) < 2:
        return Spread(values[0], values[0], values[0], len(values))
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high, len(values))


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ratios(values: list[float | None], reference: list[float | None]) -> list[float]:
    """Each round's value of the same round's reference; rounds that lack one are left out."""
    return [a / b for a, b in zip(values, reference) if a is not None and b]
