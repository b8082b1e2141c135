"""What is measured: loads, which contenders each is for, and the figures that it returns."""

from dataclasses import dataclass
from typing import Callable

from . import bpf, growth, loads
from .contenders import Contender
from .lab import OTHER, SERVER, Lab
from .stats import Spread, ratios, spread

Values = dict[str, list[float | None]]  # by contender, one for each round


@dataclass(frozen=True)
class Figure:
    text: str
    unit: str
    better: str = ""  # "high" or "low"
    ratio: bool = False  # shown as a ratio to the contender's reference of the same round
    digits: int = 2


FIGURES = {
    "connections": Figure("new connections, one request each", "1/s", "high", True),
    "connections_cpu": Figure("CPU time of all processes for a new connection", "us", "low", True),
    "requests": Figure("requests on kept connections", "1/s", "high", True),
    "requests_cpu": Figure("CPU time of all processes for a request", "us", "low", True),
    "latency_p50": Figure("half of the requests took at most, at 2,000 a second", "us", "low", True),
    "latency_p99": Figure("99 % of the requests took at most", "us", "low", True),
    "latency_p999": Figure("99.9 % of the requests took at most", "us", "low", True),
    "bulk": Figure("one stream, segments merged by the sender", "Gbit/s", "high", True),
    "bulk_gro": Figure("one stream in frames of the MTU, merged by GRO", "Gbit/s", "high", True),
    "bulk_mtu": Figure("one stream in frames of the MTU, without GRO", "Gbit/s", "high", True),
    "datagrams": Figure("small datagrams of one client, one CPU", "1/s", "high", True),
    "datagrams_ports": Figure("small datagrams of 60,000 clients in turn, one CPU", "1/s", "high", True),
    "programs_ns": Figure("time in programs for a connection, empty programs included", "ns", "low", digits=0),
    "programs_runs": Figure("runs of programs for a connection", "", "low", digits=1),
    "programs_net": Figure("time in programs for a connection above as many empty ones", "ns", "low", digits=0),
    "each_empty_tc": Figure("an empty tc program", "ns", "low", digits=0),
    "each_empty_ops": Figure("an empty sockops program", "ns", "low", digits=0),
    "strangers": Figure("new connections to a port without a rule", "1/s", "high", True),
    "strangers_net": Figure("time in programs for each of those above empty ones", "ns", "low", digits=0),
    "strangers_runs": Figure("runs of programs for each of those", "", "low", digits=1),
    "neighbours": Figure("new connections in a namespace beside that of the rules", "1/s", "high", True),
    "neighbours_net": Figure("time in programs for each of those above empty ones", "ns", "low", digits=0),
    "neighbours_runs": Figure("runs of programs for each of those", "", "low", digits=1),
    "flood_udp": Figure("requests kept under 200,000 datagrams a second", "%", "high", digits=0),
    "flood_syn": Figure("requests kept under 50,000 SYNs a second", "%", "high", digits=0),
    "connections_rules_1000": Figure("new connections, 1,000 rules on the port", "1/s", "high", True),
    "connections_rules_60000": Figure("new connections, 60,000 rules on the port", "1/s", "high", True),
    "living_connections": Figure("new connections beside 100,000 living ones", "1/s", "high", True),
    "living_bytes": Figure("kernel memory for a living connection, both ends", "bytes", "low", digits=0),
    "flows": Figure("datagrams of 1,000,000 clients, one each", "1/s", "high", True),
    "flows_arrived": Figure("of those came to the server", "%", "high", digits=1),
    "flows_mb": Figure("kernel memory for them", "MB", "low", digits=0),
    "attach_first": Figure("attach: the first rule of a network namespace", "ms", "low", digits=0),
    "detach_all": Figure("detach: all", "ms", "low", digits=0),
}
for _count in growth.RULES:
    FIGURES |= {
        f"attach_one_{_count}": Figure(f"attach: one more on {_count:,}", "ms", "low", digits=0),
        f"status_{_count}": Figure(f"status of {_count:,}", "ms", "low", digits=0),
        f"metrics_{_count}": Figure(f"metrics of {_count:,}", "ms", "low", digits=0),
        f"detach_one_{_count}": Figure(f"detach: one of {_count:,}", "ms", "low", digits=0),
        f"maps_kb_{_count}": Figure(f"maps with {_count:,} rules", "kB", "low", digits=0),
    }


@dataclass(frozen=True)
class Load:
    run: Callable[[Lab, Contender, int], dict[str, float]]
    takes: Callable[[Contender], bool] = lambda contender: True
    packages: tuple[str, ...] = ()
    where: str = SERVER  # the namespace that the contender is set up in


def _named(*names: str) -> Callable[[Contender], bool]:
    return lambda contender: contender.name in names


def _remote(contender: Contender) -> bool:
    return not contender.local


COUNTED = ("programs", "strangers", "neighbours")  # their runs of empty programs are taken off
HTTP = ("nginx-light", "wrk")
LOADS = {
    "connections": Load(loads.connections, packages=HTTP),
    "requests": Load(loads.requests, packages=HTTP),
    "latency": Load(loads.latency, packages=("nginx-light", "nghttp2-client")),
    "bulk": Load(loads.bulk, packages=("iperf3", "ethtool")),
    "datagrams": Load(loads.datagrams, lambda c: c.udp and not c.local, ("ethtool",)),
    "programs": Load(loads.programs, lambda c: c.bpf, HTTP + ("bpftool",)),
    "strangers": Load(loads.strangers, lambda c: _remote(c) and c.name != "grant", HTTP + ("bpftool",)),
    "neighbours": Load(
        loads.neighbours,
        lambda c: (c.bpf and c.name != "xdp") or c.name in ("direct", "twin", "nft", "direct-lo"),
        HTTP + ("bpftool",),
        OTHER,
    ),
    "floods": Load(loads.floods, _remote, HTTP + ("ethtool",)),
    "rules": Load(growth.rules, _named("direct", "twin", "auto", "sklookup", "tc"), HTTP),
    "living": Load(growth.living, _named("direct", "twin", "nft", "auto", "sklookup", "tc", "xdp"), HTTP),
    "flows": Load(growth.flows, _named("direct", "twin", "nft", "tc", "xdp"), ("ethtool",)),
    "first": Load(growth.first, _named("auto", "sklookup", "tc", "xdp")),
    "commands": Load(growth.commands, _named("auto", "sklookup", "tc", "xdp"), ("bpftool",)),
}
DEFAULT = ("connections", "requests", "latency", "bulk", "datagrams", "programs", "strangers", "neighbours", "floods")
QUICK = ("connections", "requests", "programs")
QUICK_CONTENDERS = ("direct", "twin", "nft", "haproxy", "auto", "sklookup", "tc", "xdp")


def derive(values: dict[str, Values]) -> None:
    """Adds the figures that take off what as many runs of an empty program take."""
    share: dict[str, float] = {}
    for program in (bpf.EMPTY_TC, bpf.EMPTY_OPS):
        each = ratios(*(values.get(f"programs_{what}:{program}", {}).get("empty", []) for what in ("ns", "runs")))
        if each:
            share[program] = spread(each).median
            values[f"each_{program}"] = {"empty": list(each)}
    if len(share) < 2:
        return
    for load in COUNTED:
        total: Values = {}
        for name in [name for name in values if name.startswith(f"{load}_ns:")]:
            program = name.partition(":")[2]
            own = values.setdefault(f"{load}_net:{program}", {})
            for contender, series in values[name].items():
                runs = values[f"{load}_runs:{program}"][contender]
                own[contender] = [
                    None if ns is None or count is None else ns - count * share[bpf.empty_of(program)]
                    for ns, count in zip(series, runs)
                ]
                sums = total.setdefault(contender, [0.0] * len(series))
                total[contender] = [(a or 0) + (b or 0) for a, b in zip(sums, own[contender])]  # None: it did not run
        if total:
            values[f"{load}_net"] = total


def shown(figure: Figure, values: Values, contender: Contender) -> Spread | None:
    """The figure as the table has it."""
    series = values.get(contender.name)
    if series is None:
        return None
    if figure.ratio:
        kept = ratios(series, values.get(contender.reference, []))
    else:
        kept = [value for value in series if value is not None]
    return spread(kept) if kept else None
