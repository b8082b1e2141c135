"""The contenders: ways to have clients of one port served by a program on another."""

from dataclasses import dataclass
from typing import Callable

from . import bpf
from .lab import SERVER, Lab

LISTEN, TARGET = 80, 3000
# A second pair, for the connections that are held open while new ones are measured.
LISTEN_HELD, TARGET_HELD = 81, 3001
PAIRS = ((LISTEN, TARGET), (LISTEN_HELD, TARGET_HELD))


def nothing(_lab: Lab, _where: str) -> None:
    pass


@dataclass(frozen=True)
class Contender:
    name: str
    text: str
    set_up: Callable[[Lab, str], None] = nothing  # in that namespace of the lab, before servers start
    port: int = LISTEN  # that clients connect to
    bind: int = TARGET  # that servers bind
    packages: tuple[str, ...] = ()
    udp: bool = False  # serves datagrams, too
    local: bool = False  # clients are on the server's host
    bpf: bool = False  # has programs of bpfport
    reference: str = "direct"


def _nft(lab: Lab, where: str) -> None:
    rules = " ".join(
        f"{proto} dport {listen} redirect to :{target};" for proto in ("tcp", "udp") for listen, target in PAIRS
    )
    rules = rules.replace(";", "\n")
    text = f"table ip bench {{ chain in {{ type nat hook prerouting priority -100\n {rules} }} }}\n"
    (lab.path / "nft").write_text(text.replace("}", "\n}"))
    lab.run(where, "nft", "-f", str(lab.path / "nft"))


def _iptables(lab: Lab, where: str) -> None:
    for proto in ("tcp", "udp"):
        for listen, target in PAIRS:
            rule = f"-A PREROUTING -p {proto} --dport {listen} -j REDIRECT --to-ports {target}"
            lab.run(where, "iptables", "-w", "-t", "nat", *rule.split())


def _haproxy(lab: Lab, where: str) -> None:
    text = "global\n  nbthread 1\n  maxconn 9000\ndefaults\n  mode tcp\n  timeout connect 5s\n"
    text += "  timeout client 1h\n  timeout server 1h\n"
    for listen, target in PAIRS:
        text += f"listen l{listen}\n  bind :{listen}\n  server s 127.0.0.1:{target}\n"
    (lab.path / "haproxy").write_text(text)
    lab.start(where, "haproxy", "-db", "-f", str(lab.path / "haproxy"))
    lab.wait_for_port(LISTEN)


def _nginx(lab: Lab, where: str) -> None:
    servers = "".join(
        f"server {{ listen {listen} backlog=4096; proxy_pass 127.0.0.1:{target}; proxy_timeout 1h; }}\n"
        for listen, target in PAIRS
    )
    (lab.path / "stream").write_text(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
        f"daemon off; worker_processes 1; pid {lab.path}/stream.pid;\n"
        f"error_log {lab.path}/stream.log;\n"
        f"events {{ worker_connections 9000; }}\nstream {{ {servers} }}\n"
    )
    lab.start(where, "nginx", "-c", str(lab.path / "stream"))
    lab.wait_for_port(LISTEN)


def _socat(lab: Lab, where: str) -> None:
    for listen, target in PAIRS:
        lab.start(
            where, "socat", f"TCP-LISTEN:{listen},fork,reuseaddr,backlog=4096", f"TCP:127.0.0.1:{target}"
        )
    lab.wait_for_port(LISTEN)


def _redir(lab: Lab, where: str) -> None:
    for listen, target in PAIRS:
        lab.start(where, "redir", "-n", "-l", "none", f":{listen}", f"127.0.0.1:{target}")
    lab.wait_for_port(LISTEN)


def _attach(*options: str, udp: bool = True) -> Callable[[Lab, str], None]:
    def set_up(lab: Lab, where: str) -> None:
        rules = [f"{listen}:{target}{'/tcp+udp' if udp else ''}" for listen, target in PAIRS]
        device = "eth0" if where == SERVER else "lo"
        lab.bpfport(where, "attach", device, *rules, *options)

    return set_up


def _empty(lab: Lab, where: str) -> None:
    bpf.attach_empty(lab, where)


def _clsact(lab: Lab, where: str) -> None:
    """A kernel without tcx, as bpfport sees it."""
    _attach("--engine", "tc", "--hook", "clsact")(lab, where)


def _grant(lab: Lab, where: str) -> None:
    lab.as_nobody = where == SERVER
    lab.bpfport(where, "grant", lab.make_cgroup(where == SERVER), f"{LISTEN}/tcp+udp")


def _cgroup_rule(lab: Lab, where: str) -> None:
    lab.as_nobody = where == SERVER
    lab.bpfport(where, "attach", lab.make_cgroup(where == SERVER), f"{LISTEN}:{TARGET}/tcp+udp")


CONTENDERS = (
    Contender("direct", "straight to the server's port", port=TARGET, udp=True),
    Contender("twin", "direct once more: the noise", port=TARGET, udp=True),
    Contender("nft", "nft redirect", _nft, udp=True, packages=("nftables",)),
    Contender("iptables", "iptables -j REDIRECT", _iptables, udp=True, packages=("iptables",)),
    Contender("haproxy", "haproxy, mode tcp", _haproxy, packages=("haproxy",)),
    Contender("nginx", "nginx, stream", _nginx, packages=("libnginx-mod-stream",)),
    Contender("socat", "socat, a process for each connection", _socat, packages=("socat",)),
    Contender("redir", "redir, a process for each connection", _redir, packages=("redir",)),
    Contender("auto", "bpfport as it chooses itself for tcp; for udp it is tc", _attach(udp=False), bpf=True),
    Contender(
        "sklookup", "bpfport --engine sklookup", _attach("--engine", "sklookup", udp=False), bpf=True
    ),
    Contender(
        "sklookup-listen",
        "the same with --sockname listen",
        _attach("--engine", "sklookup", "--sockname", "listen", udp=False),
        bpf=True,
    ),
    Contender("tc", "bpfport --engine tc, tcx", _attach("--engine", "tc"), udp=True, bpf=True),
    Contender("clsact", "bpfport --engine tc, clsact", _clsact, udp=True, bpf=True),
    Contender("xdp", "bpfport --engine xdp, native on a veth", _attach("--engine", "xdp"), udp=True, bpf=True),
    Contender("grant", "bpfport grant: the server binds 80", _grant, bind=LISTEN, udp=True, bpf=True),
    Contender("direct-lo", "direct, clients on the server's host", port=TARGET, local=True, reference="direct-lo"),
    Contender(
        "cgroup",
        "bpfport cgroup rule, clients on the server's host",
        _cgroup_rule,
        bind=LISTEN,
        local=True,
        bpf=True,
        reference="direct-lo",
    ),
)
BY_NAME = {contender.name: contender for contender in CONTENDERS}
EMPTY = Contender("empty", "direct, with empty programs of the kinds that bpfport has", _empty, port=TARGET)
