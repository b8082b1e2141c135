"""Which figures of two results differ beyond noise.

A figure has changed when the middle halves of the two series are apart, the medians differ by more than
the twin of direct differs from direct in either result, and both have at least five rounds.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .contenders import BY_NAME
from .figures import FIGURES, Figure, Values, shown
from .report import FORMAT
from .stats import Spread

ENOUGH = 5


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "results.json" if path.is_dir() else path).read_text())
    if document.get("format") != FORMAT:
        raise ValueError(f"{path}: no results of this version of bench/run")
    return document


def _noise(figure: Figure, values: Values) -> float:
    """How far the middle half of the twin's ratios is from 1."""
    twin = shown(figure, values, BY_NAME["twin"]) if figure.ratio else None
    return max(abs(twin.low - 1), abs(twin.high - 1)) if twin else 0.0


def judge(figure: Figure, old: Spread, new: Spread, noise: float) -> str:
    if min(old.count, new.count) < ENOUGH:
        return "too few rounds"
    apart = old.high < new.low or new.high < old.low
    if not apart or not old.median or abs(new.median / old.median - 1) <= noise:
        return ""
    if not figure.better:
        return "changed"
    return "better" if (new.median > old.median) == (figure.better == "high") else "worse"


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, Spread, Spread, str]]:
    rows = []
    for name, figure in FIGURES.items():
        before, after = old["values"].get(name, {}), new["values"].get(name, {})
        noise = max(_noise(figure, before), _noise(figure, after))
        for contender in BY_NAME.values():
            was, is_now = shown(figure, before, contender), shown(figure, after, contender)
            if was and is_now and not (figure.ratio and contender.reference == contender.name):
                rows.append((name, contender.name, was, is_now, judge(figure, was, is_now, noise)))
    return rows


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: bench/compare OLD NEW     directories or files of bench/run; exit 1: something is worse")
        return 2
    try:
        old, new = (load(Path(argument)) for argument in arguments)
    except (OSError, ValueError) as error:
        print(f"bench/compare: {error}", file=sys.stderr)
        return 2
    rows = compare(old, new)
    said = [row for row in rows if row[4]]
    for name, contender, was, is_now, verdict in said:
        digits = FIGURES[name].digits
        print(f"{verdict:<15} {name:<24} {contender:<10} {was.text(digits)} -> {is_now.text(digits)}")
    print(f"{len(rows) - len(said)} of {len(rows)} figures within noise")
    return 1 if any(row[4] == "worse" for row in rows) else 0
