"""Measures: one contender at a time, in rounds that are shuffled anew."""

import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .contenders import EMPTY, Contender
from .figures import COUNTED, LOADS, Values, derive
from .lab import Failure, Lab


@dataclass(frozen=True)
class Arguments:
    contenders: tuple[Contender, ...]
    loads: tuple[str, ...]
    rounds: int
    seconds: int
    seed: int
    build: Path


@dataclass
class Results:
    values: dict[str, Values] = field(default_factory=dict)  # by figure
    failures: list[dict[str, object]] = field(default_factory=list)

    def add(self, figure: str, contender: str, round_number: int, value: float) -> None:
        series = self.values.setdefault(figure, {}).setdefault(contender, [])
        series.extend([None] * (round_number + 1 - len(series)))
        series[round_number] = value


def _for_load(name: str, contenders: tuple[Contender, ...]) -> list[Contender]:
    taking = [contender for contender in contenders if LOADS[name].takes(contender)]
    return taking + [EMPTY] if name == "programs" and taking else taking


def _one(arguments: Arguments, name: str, contender: Contender, cgroup: Path) -> dict[str, float]:
    with Lab(arguments.build, cgroup) as lab:
        contender.set_up(lab, LOADS[name].where)
        return LOADS[name].run(lab, contender, arguments.seconds)


def _say(text: str) -> None:
    """A line that the next one replaces; nothing where that can't be."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure(arguments: Arguments, cgroup: Path) -> Results:
    results = Results()
    order = random.Random(arguments.seed)
    start = time.monotonic()
    for round_number in range(arguments.rounds):
        for name in arguments.loads:
            contenders = _for_load(name, arguments.contenders)
            order.shuffle(contenders)
            for contender in contenders:
                _say(f"{time.monotonic() - start:5.0f} s  round {round_number + 1}: {name}, {contender.name}")
                try:
                    for figure, value in _one(arguments, name, contender, cgroup).items():
                        results.add(figure, contender.name, round_number, value)
                except (Failure, OSError, ValueError, subprocess.SubprocessError) as error:
                    print(f"\n{name}, {contender.name}: {error}", file=sys.stderr)
                    results.failures.append(
                        {"load": name, "contender": contender.name, "round": round_number, "text": str(error)}
                    )
    _say("")
    if set(COUNTED) & set(arguments.loads):
        derive(results.values)
    return results
