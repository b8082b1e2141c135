"""Plots by gnuplot: a bar for each contender, with the middle half of the rounds."""

import subprocess
from pathlib import Path
from typing import Any

from .figures import FIGURES, shown
from .report import contenders_of


def plot(folder: Path, document: dict[str, Any]) -> list[Path]:
    """One SVG for each figure that has two contenders or more."""
    written = []
    for name, figure in FIGURES.items():
        values = document["values"].get(name, {})
        rows, most = [], 0.0
        for contender in contenders_of({name: values}):
            cell = shown(figure, values, contender)
            if cell and contender.name != "empty":
                most = max(most, cell.high)
                rows.append(f'"{contender.name}" {cell.median} {cell.low} {cell.high}')
        if len(rows) < 2 or not most:
            continue
        target = folder / f"{name}.svg"
        unit = "of direct" if figure.ratio else figure.unit
        script = "\n".join(
            [
                "set terminal svg size 720,360 font 'sans-serif,12' background '#ffffff'",
                f'set output "{target}"',
                f'set title "{figure.text}"',
                f'set ylabel "{unit}"',
                "set yrange [0:*]",
                "set style fill solid 0.6",
                "set boxwidth 0.7",
                "set xtics rotate by -35 nomirror",
                "set grid ytics",
                "unset key",
                "$rows << EOD",
                *rows,
                "EOD",
                "plot $rows using 0:2:xtic(1) with boxes lc '#4477aa', "
                "$rows using 0:2:3:4 with yerrorbars pt 0 lc '#222222'",
            ]
        )
        subprocess.run(["gnuplot"], input=script + "\n", text=True, check=True)
        written.append(target)
    return written
