"""Two hosts that one contender is measured between: network namespaces, a veth, servers, CPUs.

Each measurement has a Lab of its own, so that nothing of one contender, not even a TIME_WAIT, is there
while another is measured.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from .sandbox import FILES

SERVER, CLIENT, OTHER = "server", "client", "other"  # OTHER: a namespace beside the two
SERVER_ADDRESS, CLIENT_ADDRESS = "192.0.2.1", "192.0.2.2"
FLOOD_ADDRESS = "198.18.0.1"
ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534
ANY_CPU = "any"


class Failure(Exception):
    """A contender or a load can't be run; the text says why."""


def cpus() -> tuple[int, int]:
    """The CPU of the server and that of the client."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


class Lab:
    def __init__(self, build: Path, cgroup: Path):
        self.build = build
        self.cgroup_path = cgroup
        self.in_cgroup = False
        self.as_nobody = False
        self.processes: list[subprocess.Popen[str]] = []
        self.holders: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Lab":
        self.folder = tempfile.TemporaryDirectory(dir=FILES)
        self.path = Path(self.folder.name)
        self.path.chmod(0o777)
        for name in (SERVER, CLIENT, OTHER):
            self.holders[name] = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        for holder in self.holders.values():
            while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
                time.sleep(0.002)
        self._link()
        return self

    def _link(self) -> None:
        pid = {name: str(holder.pid) for name, holder in self.holders.items()}
        script = f"link add eth0 netns {pid[SERVER]} type veth peer name eth0 netns {pid[CLIENT]}"
        subprocess.run(["ip", *script.split()], check=True)
        for name, address in ((SERVER, SERVER_ADDRESS), (CLIENT, CLIENT_ADDRESS)):
            self.run(name, "ip", "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self.run(name, "ip", "link", "set", device, "up")
            self.run(
                name, "sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65535", "net.core.somaxconn=4096"
            )
        # Where floods claim to come from: answers go to the client's host, which drops them.
        self.run(SERVER, "ip", "route", "add", "198.18.0.0/15", "via", CLIENT_ADDRESS)
        self.run(OTHER, "ip", "link", "set", "lo", "up")

    def _place(self, where: str, cpu: int | str | None) -> list[str]:
        words = ["nsenter", f"--net=/proc/{self.holders[where].pid}/ns/net"]
        if cpu is None:
            cpu = cpus()[where == CLIENT]
        return words if cpu == ANY_CPU else [*words, "taskset", "-c", str(cpu)]

    def run(self, where: str, *command: str, cpu: int | str | None = None, seconds: float = 60) -> str:
        try:
            done = subprocess.run(
                [*self._place(where, cpu), *command], capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"{command[0]}: no end after {seconds:.0f} s") from None
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)[:200]}: {done.stderr.strip() or done.stdout.strip()}"[:600])
        return done.stdout

    def start(
        self, where: str, *command: str, cpu: int | None = None, serves: bool = False
    ) -> subprocess.Popen[str]:
        """`serves`: a server, which is in the contender's cgroup and of its user."""
        words = list(command)
        if serves and self.as_nobody:
            words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *words]
        if serves and self.in_cgroup:
            words = ["sh", "-c", f'echo 0 >"{self.cgroup_path}/cgroup.procs" && exec "$@"', "sh", *words]
        log = open(self.path / f"log-{len(self.processes)}", "w+")
        process = subprocess.Popen(
            [*self._place(where, cpu), *words], stdout=log, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        return process

    def wait_for_port(self, port: int, kind: str = "t") -> None:
        """Until a socket of the server's host listens on the port (`kind` u: is bound to it)."""
        for _ in range(200):
            if self.run(SERVER, "ss", f"-Hnl{kind}", f"sport = :{port}").strip():
                return
            if self.processes and self.processes[-1].poll() not in (None, 0):
                break
            time.sleep(0.02)
        log = (self.path / f"log-{len(self.processes) - 1}").read_text()
        raise Failure(f"nothing listens on port {port}: {log[-300:]}")

    def bpfport(self, where: str, *arguments: str) -> str:
        """On any CPU, as a user's commands are."""
        return self.run(where, str(self.build / "user/bpfport"), *arguments, cpu=ANY_CPU, seconds=120)

    def make_cgroup(self, for_servers: bool) -> str:
        """A cgroup, as bpfport names it."""
        self.cgroup_path.mkdir(exist_ok=True)
        self.in_cgroup = for_servers
        return f"cgroup:{self.cgroup_path}"

    def mac(self) -> str:
        found = json.loads(self.run(SERVER, "ip", "-j", "link", "show", "eth0"))
        return str(found[0]["address"])

    def stop(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for where in (SERVER, OTHER):
            if any(Path("/sys/fs/bpf").glob("bpfport*")):
                self.bpfport(where, "detach", "--all")
        keep = {os.getpid(), *(holder.pid for holder in self.holders.values())}
        for entry in Path("/proc").glob("[0-9]*"):  # this PID namespace has the benchmark's processes only
            if int(entry.name) not in keep:
                try:
                    os.kill(int(entry.name), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for process in self.processes:
            process.wait()
        for holder in self.holders.values():
            holder.kill()
            holder.wait()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:  # orphans are this process's children
                pass
        except ChildProcessError:
            pass
        if self.cgroup_path.exists():
            self._remove_cgroup()
        self.folder.cleanup()

    def _remove_cgroup(self) -> None:
        for _ in range(100):
            try:
                self.cgroup_path.rmdir()
                return
            except OSError:
                time.sleep(0.02)
