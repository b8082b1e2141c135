"""The loads: each returns its figures by name. See figures.py for what they mean."""

import json
import os
import time
from pathlib import Path

from . import bpf, servers
from .contenders import Contender
from .lab import CLIENT, FLOOD_ADDRESS, SERVER, SERVER_ADDRESS, Failure, Lab, cpus
from .stats import percentile

Values = dict[str, float]


def _client(contender: Contender) -> str:
    return SERVER if contender.local else CLIENT


def _cpu_seconds() -> float:
    """Of all processes of the benchmark, ended ones included."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(field) for field in (fields[11:15] if stat.parent.name == "1" else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def wrk(lab: Lab, where: str, port: int, seconds: int, close: bool) -> tuple[float, int]:
    """Requests a second, and how many."""
    header = ["-H", "Connection: close"] if close else []
    url = f"http://{SERVER_ADDRESS}:{port}/"
    text = lab.run(where, "wrk", "-t1", "-c8", f"-d{seconds}s", *header, url, cpu=cpus()[1])
    rate, count = 0.0, 0
    for line in text.splitlines():
        if line.startswith("Requests/sec:"):
            rate = float(line.split()[1])
        if " requests in " in line:
            count = int(line.split()[0])
        if "Socket errors" in line or "Non-2xx" in line:
            raise Failure(f"wrk: {line.strip()}")
    if not count:
        raise Failure("wrk: no request was answered")
    return rate, count


def connections(lab: Lab, contender: Contender, seconds: int) -> Values:
    servers.http(lab, contender)
    before = _cpu_seconds()
    rate, count = wrk(lab, _client(contender), contender.port, seconds, close=True)
    return {"connections": rate, "connections_cpu": (_cpu_seconds() - before) / count * 1e6}


def requests(lab: Lab, contender: Contender, seconds: int) -> Values:
    servers.http(lab, contender)
    before = _cpu_seconds()
    rate, count = wrk(lab, _client(contender), contender.port, seconds, close=False)
    return {"requests": rate, "requests_cpu": (_cpu_seconds() - before) / count * 1e6}


OFFERED = 250  # requests a second on each of eight connections


def latency(lab: Lab, contender: Contender, seconds: int) -> Values:
    servers.http(lab, contender)
    log = lab.path / "latency"
    count = OFFERED * 8 * (seconds + 1)
    lab.run(
        _client(contender), "h2load", "--h1", "-c8", f"--rps={OFFERED}", f"-n{count}", f"--log-file={log}",
        f"http://{SERVER_ADDRESS}:{contender.port}/", cpu=cpus()[1],
    )  # fmt: skip
    rows = [[int(field) for field in line.split("\t")] for line in log.read_text().splitlines()]
    if sum(row[1] == 200 for row in rows) < count:
        raise Failure(f"h2load: not all of {count} requests were answered")
    start = min(row[0] for row in rows) + 500_000  # without connecting and the first burst
    times = [float(row[2]) for row in rows if row[0] >= start]
    return {f"latency_{name}": percentile(times, percent) for name, percent in
            (("p50", 50), ("p99", 99), ("p999", 99.9))}  # fmt: skip


def _iperf(lab: Lab, contender: Contender, seconds: int) -> float:
    words = f"iperf3 -J -c {SERVER_ADDRESS} -p {contender.port} -t {seconds}".split()
    text = lab.run(_client(contender), *words, cpu=cpus()[1], seconds=seconds + 20)
    return float(json.loads(text)["end"]["sum_received"]["bits_per_second"]) / 1e9


def bulk(lab: Lab, contender: Contender, seconds: int) -> Values:
    servers.iperf(lab, contender)
    values = {"bulk": _iperf(lab, contender, seconds)}
    if contender.local:
        return values
    lab.run(CLIENT, "ethtool", "-K", "eth0", "tso", "off", "gso", "off")
    for name, gro in (("bulk_gro", "on"), ("bulk_mtu", "off")):
        lab.run(SERVER, "ethtool", "-K", "eth0", "gro", gro)
        values[name] = _iperf(lab, contender, seconds)
    return values


def inject_words(lab: Lab, kind: str, port: int, frames: int, ports: int, addresses: int, rate: int = 0) -> list[str]:
    """bench_inject, for the client's namespace."""
    tool = str(lab.build / "bench/bench_inject")
    numbers = (port, frames, ports, addresses, rate)
    return [tool, kind, "eth0", lab.mac(), FLOOD_ADDRESS, SERVER_ADDRESS, *(str(number) for number in numbers)]


def _receive(lab: Lab, contender: Contender, frames: int, ports: int, addresses: int) -> float:
    """Nanoseconds a datagram on one CPU, if all arrive."""
    words = inject_words(lab, "udp", contender.port, frames, ports, addresses)
    before = servers.datagrams_arrived(lab)
    took = float(lab.run(CLIENT, *words, cpu=cpus()[0]))
    share = (servers.datagrams_arrived(lab) - before) / frames
    if share < 0.98:
        raise Failure(f"{share:.0%} of {frames} datagrams arrived")
    return took


def take_frames(lab: Lab) -> None:
    """NAPI: how a veth takes frames that have no skb yet."""
    lab.run(SERVER, "ethtool", "-K", "eth0", "gro", "on")


def datagrams(lab: Lab, contender: Contender, seconds: int) -> Values:
    servers.sink(lab, contender)
    take_frames(lab)
    frames = 300_000 * seconds
    _receive(lab, contender, 10_000, 1, 1)  # the flow is known, pages are there
    values = {"datagrams": 1e9 / _receive(lab, contender, frames, 1, 1)}
    values["datagrams_ports"] = 1e9 / _receive(lab, contender, frames, 60_000, 1)
    return values


def programs(lab: Lab, contender: Contender, seconds: int) -> Values:
    """Time in programs for each connection, from the kernel's statistics. Empty programs are taken off later."""
    servers.http(lab, contender)
    return _counted(lab, _client(contender), contender.port, seconds, "programs")


def _counted(lab: Lab, where: str, port: int, seconds: int, prefix: str) -> Values:
    with bpf.Statistics():
        before = bpf.runs()
        _, count = wrk(lab, where, port, seconds, close=True)
        ran = bpf.since(before)
    values = {f"{prefix}_ns": sum(run.ns for run in ran.values()) / count}
    values[f"{prefix}_runs"] = sum(run.count for run in ran.values()) / count
    for name, run in ran.items():
        values[f"{prefix}_ns:{name}"] = run.ns / count
        values[f"{prefix}_runs:{name}"] = run.count / count
    return values


def strangers(lab: Lab, contender: Contender, seconds: int) -> Values:
    """Connections that no rule matches, on the same host."""
    servers.http(lab, contender)
    values = {"strangers": wrk(lab, _client(contender), servers.FREE, seconds, close=True)[0]}
    if contender.bpf or contender.name == "empty":
        values |= _counted(lab, _client(contender), servers.FREE, seconds, "strangers")
    return values


def neighbours(lab: Lab, contender: Contender, seconds: int) -> Values:
    """Connections of a network namespace beside that of the contender: contenders of OTHER."""
    servers.http(lab, contender)
    values = {"neighbours": wrk(lab, _client(contender), servers.FREE, seconds, close=True)[0]}
    if contender.bpf:
        values |= _counted(lab, _client(contender), servers.FREE, seconds, "neighbours")
    return values


def _flood(lab: Lab, contender: Contender, seconds: int, kind: str, rate: int) -> float:
    words = inject_words(lab, kind, contender.port, 0, 60_000, 200, rate)
    flood = lab.start(CLIENT, *words, cpu=cpus()[0])
    time.sleep(0.3)
    kept, _ = wrk(lab, CLIENT, contender.port, seconds, close=False)
    if flood.poll() is not None:
        raise Failure("the flood ended early")
    lab.stop(flood)
    return kept


def floods(lab: Lab, contender: Contender, seconds: int) -> Values:
    """Requests kept, in percent, while datagrams or SYNs to the same port come on the server's CPU."""
    servers.http(lab, contender)
    if contender.udp:
        servers.sink(lab, contender)
    take_frames(lab)
    calm, _ = wrk(lab, CLIENT, contender.port, seconds, close=False)
    values = {}
    if contender.udp:
        values["flood_udp"] = _flood(lab, contender, seconds, "udp", 200_000) / calm * 100
    values["flood_syn"] = _flood(lab, contender, seconds, "syn", 50_000) / calm * 100
    return values

