"""What a benchmark returns: one figure with its unit and, where there is one, the goal it is held to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure; `goal_max` or `goal_min` is the bound it should keep, None where it is only reported.

    Of a ratio (unit `x`) `ours` and `other` may say what was divided by what, in words with units.
    """

    name: str
    value: float
    unit: str
    goal_max: float | None = None
    goal_min: float | None = None
    ours: str = ""
    other: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps its goal; one without a goal does."""
        above = self.goal_max is not None and self.value > self.goal_max
        below = self.goal_min is not None and self.value < self.goal_min
        return not above and not below

    @property
    def goal(self) -> str:
        """The bound in words; empty without one."""
        if self.goal_max is not None:
            return f"at most {self.goal_max:g} {self.unit}"
        return f"at least {self.goal_min:g} {self.unit}" if self.goal_min is not None else ""

    def __str__(self) -> str:
        verdict = f"  (goal {self.goal}: {'met' if self.is_met else 'MISSED'})" if self.goal else ""
        return f"{self.name}: {self.value:.3f} {self.unit}{verdict}"


def in_turns(works: Sequence[Callable[[], object]], *, turns: int, each: int = 1) -> list[float]:
    """Median seconds of each work, measured turn by turn so that noise falls on all alike; `each` calls a turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(turns):
        for work, taken in zip(works, seconds, strict=True):
            for _ in range(each):
                began = time.perf_counter()
                work()
                taken.append(time.perf_counter() - began)
    return [median(taken) for taken in seconds]
