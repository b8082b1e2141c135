"""The results as JSON, as tables and as plots."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from .contenders import BY_NAME, EMPTY, Contender
from .figures import FIGURES, Figure, Values, shown
from .lab import ROOT
from .measure import Arguments, Results

FORMAT = 1


def _first_line(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "cpu": _first_line("/proc/cpuinfo", "model name") or platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load": os.getloadavg()[0],
    }


def as_json(arguments: Arguments, results: Results, command: str, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "command": command,
        "machine": before,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "seed": arguments.seed,
        "figures": {
            name: {"text": FIGURES[name].text, "unit": FIGURES[name].unit, "ratio": FIGURES[name].ratio}
            for name in results.values
            if name in FIGURES
        },
        "values": results.values,
        "failures": results.failures,
    }


def contenders_of(values: dict[str, Values]) -> list[Contender]:
    there = {name for series in values.values() for name in series}
    return [contender for name, contender in BY_NAME.items() if name in there] + [EMPTY] * ("empty" in there)


def _row(name: str, figure: Figure, values: Values, contenders: list[Contender]) -> str:
    cells = [shown(figure, values, contender) for contender in contenders]
    unit = "of direct" if figure.ratio else figure.unit
    head = f"| {figure.text} ({name}{', ' + unit if unit else ''}) |"
    return head + "".join(f" {cell.text(figure.digits) if cell else ''} |" for cell in cells)


def table(document: dict[str, Any]) -> str:
    """Figures in rows, contenders in columns: the median, and the middle half of the rounds."""
    values = document["values"]
    columns = [contender for contender in contenders_of(values) if contender.name != "direct"]
    about = document["machine"]
    lines = [
        f"`{document['command']}` at {about['commit']}, Linux {about['kernel']}, {about['cpus']} CPUs ({about['cpu']}), "
        f"{about['date']}. Medians of {document['rounds']} rounds, in brackets their middle half.",
        "",
        "| | " + " | ".join(contender.name for contender in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    lines += [
        _row(name, figure, values[name], columns)
        for name, figure in FIGURES.items()
        if any(shown(figure, values[name], contender) for contender in columns if name in values)
    ]
    direct = [
        f"{figure.text} {_plain(shown(Figure(figure.text, figure.unit), values[name], BY_NAME['direct']))} {figure.unit}"
        for name, figure in FIGURES.items()
        if figure.ratio and name in values and values[name].get("direct")
    ]
    if direct:
        lines += ["", "Direct itself: " + "; ".join(direct) + "."]
    return "\n".join(lines) + "\n"


def _plain(cell: Any) -> str:
    return f"{cell.median:,.0f}" if cell and cell.median >= 100 else f"{cell.median:.1f}" if cell else "?"


def by_program(document: dict[str, Any]) -> str:
    """Time in each program for a connection, empty programs taken off; runs of it."""
    values = document["values"]
    lines = []
    for load in ("programs", "strangers", "neighbours"):
        for name in sorted(name for name in values if name.startswith(f"{load}_net:")):
            program = name.partition(":")[2]
            for contender, series in values[name].items():
                if contender == "empty":
                    continue
                net = shown(Figure("", ""), {contender: series}, BY_NAME[contender])
                runs = shown(Figure("", ""), {contender: values[f"{load}_runs:{program}"][contender]}, BY_NAME[contender])
                if net and runs:
                    lines.append(f"| {load} | {contender} | {program} | {runs.median:.1f} | {net.text(0)} |")
    if not lines:
        return ""
    head = ["", "Time in each program for a connection, above as many empty ones:", "",
            "| load | contender | program | runs | ns |", "|---|---|---|---|---|"]  # fmt: skip
    return "\n".join(head + sorted(lines)) + "\n"


def write(folder: Path, document: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / "results.md").write_text(table(document) + by_program(document))
