"""The command line of bench/run."""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from . import plots, report, sandbox
from .contenders import BY_NAME, CONTENDERS, Contender
from .figures import DEFAULT, FIGURES, LOADS, QUICK, QUICK_CONTENDERS
from .lab import ROOT
from .measure import Arguments, measure

BASE_PACKAGES = ("iproute2", "util-linux")
# What tells that a package is there; else its name.
SEEN_BY = {
    "iproute2": "ip",
    "util-linux": "nsenter",
    "nginx-light": "nginx",
    "nghttp2-client": "h2load",
    "nftables": "nft",
    "gnuplot-nox": "gnuplot",
    "libnginx-mod-stream": "/usr/lib/nginx/modules/ngx_stream_module.so",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures bpfport beside what a user would pick instead, in namespaces of its own. Needs root.",
    )
    parser.add_argument("--list", action="store_true", help="contenders, loads and figures; measures nothing")
    parser.add_argument("--only", metavar="NAME,...", help="these contenders; direct is always measured")
    parser.add_argument("--figures", metavar="LOAD,...", help=f"these loads, or `all`; default {','.join(DEFAULT)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 9; 3 with --quick")
    parser.add_argument("--seconds", type=int, default=1, metavar="N", help="of each measurement, default 1")
    parser.add_argument("--seed", type=int, metavar="N", help="of the shuffled rounds")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} in three minutes")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="-10 keeps other work of the machine out")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), metavar="DIR", help="default %(default)s")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", metavar="DIR", help="default %(default)s")
    return parser


def _list() -> None:
    print("contenders (--only):")
    for contender in CONTENDERS:
        print(f"  {contender.name:<12} {contender.text}")
    print("loads (--figures):")
    for name, load in LOADS.items():
        takers = [contender.name for contender in CONTENDERS if load.takes(contender)]
        print(f"  {name:<12} {', '.join(takers)}")
    print("figures:")
    for name, figure in FIGURES.items():
        print(f"  {name:<24} {figure.text}{', ' + figure.unit if figure.unit else ''}")


def _chosen(parser: argparse.ArgumentParser, text: str | None, default: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    if text == "all":
        return known
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return names


def _references(names: tuple[str, ...]) -> tuple[Contender, ...]:
    wanted = {*names, *(BY_NAME[name].reference for name in names)}
    return tuple(contender for contender in CONTENDERS if contender.name in wanted)


def _there(program: str) -> bool:
    return os.path.exists(program) if os.path.isabs(program) else shutil.which(program) is not None


def _missing(arguments: Arguments) -> list[str]:
    packages = {*BASE_PACKAGES, "gnuplot-nox"}
    for name in arguments.loads:
        packages.update(LOADS[name].packages)
    for contender in arguments.contenders:
        packages.update(contender.packages)
    return sorted(package for package in packages if not _there(SEEN_BY.get(package, package)))


def main() -> int:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    parser = _parser()
    given = parser.parse_args()
    if given.list:
        _list()
        return 0
    names = _chosen(parser, given.only, QUICK_CONTENDERS if given.quick else tuple(BY_NAME), tuple(BY_NAME))
    arguments = Arguments(
        contenders=_references(names),
        loads=_chosen(parser, given.figures, QUICK if given.quick else DEFAULT, tuple(LOADS)),
        rounds=given.rounds or (3 if given.quick else 9),
        seconds=given.seconds,
        seed=random.randrange(1 << 32) if given.seed is None else given.seed,
        build=given.build.resolve(),
    )
    missing = _missing(arguments)
    if missing:
        print(f"bench/run: not installed: apt install {' '.join(missing)}", file=sys.stderr)
        return 77
    for tool in ("user/bpfport", "bench/bench_inject"):
        if not (arguments.build / tool).exists():
            print(f"bench/run: build it first: no {arguments.build / tool}", file=sys.stderr)
            return 77
    if os.geteuid() != 0:
        print("bench/run: needs root", file=sys.stderr)
        return 77
    out = given.out.resolve()
    command = shlex.join(["bench/run", *sys.argv[1:]])
    before = report.machine()

    def body(cgroup: Path) -> int:
        os.nice(given.nice)
        results = measure(arguments, cgroup)
        document = report.as_json(arguments, results, command, before)
        report.write(out, document)
        plots.plot(out, document)
        print((out / "results.md").read_text())
        print(f"{out}: results.json, results.md, plots")
        return 1 if results.failures else 0

    try:
        return sandbox.run(body)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"bench/run: {error}", file=sys.stderr)
        return 1
