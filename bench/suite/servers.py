"""The servers that clients reach through a contender."""

from .contenders import TARGET, Contender
from .lab import SERVER, Lab

FREE = 5000  # a port of the server's that no rule is for

SINK = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
time.sleep(3600)
"""


def http(lab: Lab, contender: Contender) -> None:
    """nginx, which answers five bytes, on the server's port and on FREE."""
    listens = "".join(f"listen {port} backlog=4096;" for port in (contender.bind, FREE))
    paths = "".join(f"{kind}_temp_path {lab.path}/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    (lab.path / "http").write_text(
        f"daemon off; worker_processes 1; pid {lab.path}/http.pid; error_log {lab.path}/http.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; keepalive_requests 1000000000; {paths}\n"
        f"server {{ {listens} location / {{ return 200 hello; }} }} }}\n"
    )
    lab.start(SERVER, "nginx", "-c", str(lab.path / "http"), serves=True)
    lab.wait_for_port(FREE)


def iperf(lab: Lab, contender: Contender) -> None:
    lab.start(SERVER, "iperf3", "-s", "-p", str(contender.bind), serves=True)
    lab.wait_for_port(TARGET if contender.name == "cgroup" else contender.bind)


def sink(lab: Lab, contender: Contender) -> None:
    """A UDP socket that nothing reads: datagrams count when they come to it."""
    lab.start(SERVER, "python3", "-c", SINK, str(contender.bind), serves=True)
    lab.wait_for_port(contender.bind, "u")


def datagrams_arrived(lab: Lab) -> int:
    """Datagrams that have come to a socket of the server's host, whether it could take them or not."""
    lines = [line for line in lab.run(SERVER, "cat", "/proc/self/net/snmp").splitlines() if line.startswith("Udp:")]
    values = dict(zip(lines[0].split()[1:], (int(value) for value in lines[1].split()[1:])))
    return values["InDatagrams"] + values["InErrors"]
