"""What grows: with rules, with living connections, with UDP flows; and how long commands take."""

import time
from pathlib import Path

from . import bpf, servers
from .contenders import LISTEN_HELD, TARGET_HELD, Contender
from .hold import share
from .lab import CLIENT, ROOT, SERVER, SERVER_ADDRESS, Failure, Lab, cpus
from .loads import Values, inject_words, take_frames, wrk

RULES = (1, 1_000, 60_000)
LIVING = 100_000
FLOWS = 1_000_000
HOLD = str(ROOT / "bench/suite/hold.py")


def kernel_bytes() -> int:
    """Memory in slabs, and of bpfport's maps, which are not in slabs."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    slab = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Slab:"))
    return slab + bpf.map_bytes()


def _engine(contender: Contender) -> list[str]:
    return ["--engine", contender.name]


def _attach_rules(lab: Lab, contender: Contender, first: int, end: int) -> None:
    """Rules of port 80 for addresses that nothing has, ten thousand a command."""
    for begin in range(first, end, 10_000):
        words = [
            f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}:80:{4000 + i % 20000}"
            for i in range(begin, min(begin + 10_000, end))
        ]
        lab.bpfport(SERVER, "attach", "eth0", *words, *_engine(contender))


def rules(lab: Lab, contender: Contender, seconds: int) -> Values:
    """New connections a second when the port has more rules, for other addresses."""
    servers.http(lab, contender)
    values: Values = {}
    for before, count in zip(RULES, RULES[1:]):
        if contender.bpf:
            _attach_rules(lab, contender, before, count)
        values[f"connections_rules_{count}"] = wrk(lab, CLIENT, contender.port, seconds, close=True)[0]
    return values


def _milliseconds(lab: Lab, *arguments: str) -> float:
    start = time.monotonic()
    lab.bpfport(SERVER, *arguments)
    return (time.monotonic() - start) * 1000


def first(lab: Lab, contender: Contender, _seconds: int) -> Values:
    """Milliseconds of the first attach in a network namespace, which makes the maps and loads the programs."""
    lab.bpfport(SERVER, "detach", "--all")
    return {"attach_first": _milliseconds(lab, "attach", "eth0", "80:3000", *_engine(contender))}


def commands(lab: Lab, contender: Contender, _seconds: int) -> Values:
    """Milliseconds that commands take, and kilobytes of the maps, with so many rules."""
    values: Values = {}

    def timed(name: str, *arguments: str) -> None:
        values[name] = _milliseconds(lab, *arguments)

    lab.bpfport(SERVER, "detach", "--all")
    lab.bpfport(SERVER, "attach", "eth0", "80:3000", *_engine(contender))
    there = 1
    for count in RULES:
        _attach_rules(lab, contender, there, count)
        there = count
        values[f"maps_kb_{count}"] = bpf.map_bytes() / 1000
        timed(f"attach_one_{count}", "attach", "eth0", "82:3002", *_engine(contender))
        timed(f"status_{count}", "status")
        timed(f"metrics_{count}", "metrics")
        timed(f"detach_one_{count}", "detach", "eth0", "82:3002")
    timed("detach_all", "detach", "--all")
    return values


def living(lab: Lab, contender: Contender, seconds: int) -> Values:
    """New connections a second beside LIVING idle ones through the contender, and memory for each of those."""
    servers.http(lab, contender)
    direct = contender.port == contender.bind
    lab.start(SERVER, "python3", HOLD, "serve", str(TARGET_HELD), str(LIVING), serves=True)
    lab.wait_for_port(TARGET_HELD)
    for number in range(len(share(LIVING))):
        lab.run(CLIENT, "ip", "address", "add", f"192.0.2.{32 + number}/24", "dev", "eth0")
    before = kernel_bytes()
    port = TARGET_HELD if direct else LISTEN_HELD
    holder = lab.start(CLIENT, "python3", HOLD, "connect", SERVER_ADDRESS, str(port), str(LIVING))
    log = lab.path / f"log-{len(lab.processes) - 1}"
    for _ in range(600):
        if log.read_text().strip() == str(LIVING):
            break
        if holder.poll() is not None:
            raise Failure(f"living connections: {log.read_text()[-300:]}")
        time.sleep(0.1)
    else:
        raise Failure("living connections: not open after a minute")
    return {
        "living_bytes": (kernel_bytes() - before) / LIVING,
        "living_connections": wrk(lab, CLIENT, contender.port, seconds, close=True)[0],
    }


def flows(lab: Lab, contender: Contender, _seconds: int) -> Values:
    """A datagram of each of FLOWS clients: datagrams a second, how many arrived, and memory."""
    if contender.bpf:
        lab.bpfport(SERVER, "detach", "--all")
    before = kernel_bytes()
    if contender.bpf:
        lab.bpfport(SERVER, "attach", "eth0", "80:3000/udp", *_engine(contender), "--flows", str(FLOWS))
    servers.sink(lab, contender)
    take_frames(lab)
    came = servers.datagrams_arrived(lab)
    words = inject_words(lab, "udp", contender.port, FLOWS, 50_000, FLOWS // 50_000)
    took = float(lab.run(CLIENT, *words, cpu=cpus()[0]))
    return {
        "flows": 1e9 / took,
        "flows_arrived": (servers.datagrams_arrived(lab) - came) / FLOWS * 100,
        "flows_mb": (kernel_bytes() - before) / 1e6,
    }
