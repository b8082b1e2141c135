"""What the kernel counts of BPF programs, by the bpf() system call and bpftool."""

import ctypes
import json
import os
import platform
import struct
import subprocess
from dataclasses import dataclass
from types import TracebackType

from .lab import Failure, Lab
from .sandbox import LIBC

SYSCALL = {"x86_64": 321, "aarch64": 280}.get(platform.machine(), 0)
PROG_LOAD, OBJ_PIN, ENABLE_STATS = 5, 6, 32
SCHED_CLS, SOCK_OPS = 3, 13
EMPTY_TC, EMPTY_OPS = "empty_tc", "empty_ops"


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, 128)
    result: int = LIBC.syscall(SYSCALL, command, buffer, 128)
    if result < 0:
        raise Failure(f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


class Statistics:
    """The kernel times every BPF program meanwhile, as with sysctl kernel.bpf_stats_enabled."""

    def __enter__(self) -> None:
        self.fd = _bpf(ENABLE_STATS, struct.pack("I", 0))

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        os.close(self.fd)


@dataclass(frozen=True)
class Runs:
    """Of one program."""

    count: int
    ns: int

    def __sub__(self, other: "Runs") -> "Runs":
        return Runs(self.count - other.count, self.ns - other.ns)


def _pinned(kind: str) -> list[dict[str, object]]:
    """The objects that are pinned in the benchmark's own bpffs, the only one that it sees."""
    done = subprocess.run(["bpftool", "-f", "-j", kind, "show"], capture_output=True, text=True, check=True)
    return [entry for entry in json.loads(done.stdout) if entry.get("pinned")]


def runs() -> dict[str, Runs]:
    """By the program's name; of those that are pinned, themselves or by their links."""
    linked = {entry["prog_id"] for entry in _pinned("link")}
    done = subprocess.run(["bpftool", "-f", "-j", "prog", "show"], capture_output=True, text=True, check=True)
    found: dict[str, Runs] = {}
    for entry in json.loads(done.stdout):
        if not (entry.get("pinned") or entry["id"] in linked) or "run_cnt" not in entry:
            continue
        before = found.get(entry["name"], Runs(0, 0))
        found[entry["name"]] = Runs(before.count + entry["run_cnt"], before.ns + entry["run_time_ns"])
    return found


def since(before: dict[str, Runs]) -> dict[str, Runs]:
    changed = {name: now - before.get(name, Runs(0, 0)) for name, now in runs().items()}
    return {name: value for name, value in changed.items() if value.count}


def map_bytes() -> int:
    """Memory of bpfport's maps."""
    return sum(int(str(entry.get("bytes_memlock", 0))) for entry in _pinned("map"))


def empty_of(program: str) -> str:
    """The empty program whose cost is part of the program's."""
    return EMPTY_OPS if program == "bp_listen" else EMPTY_TC


def _pin_empty(name: str, kind: int, returns: int) -> str:
    """A program of two instructions, which returns a number."""
    text = ctypes.create_string_buffer(struct.pack("<BBhi BBhi", 0xB7, 0, 0, returns, 0x95, 0, 0, 0))
    license_text = ctypes.create_string_buffer(b"GPL")
    addresses = (ctypes.addressof(text), ctypes.addressof(license_text))
    fd = _bpf(PROG_LOAD, struct.pack("<IIQQIIQII16s", kind, 2, *addresses, 0, 0, 0, 0, 0, name.encode()))
    pin = f"/sys/fs/bpf/{name}"
    if os.path.exists(pin):
        os.unlink(pin)
    path = ctypes.create_string_buffer(pin.encode())
    _bpf(OBJ_PIN, struct.pack("<QI", ctypes.addressof(path), fd))
    os.close(fd)
    return pin


def attach_empty(lab: Lab, where: str) -> None:
    """Programs that do nothing: at both tc hooks of eth0, and sockops of the servers."""
    pin = _pin_empty(EMPTY_TC, SCHED_CLS, -1)
    lab.run(where, "tc", "qdisc", "add", "dev", "eth0", "clsact")
    for hook in ("ingress", "egress"):
        lab.run(where, *f"tc filter add dev eth0 {hook} bpf da object-pinned {pin}".split())
    lab.make_cgroup(True)
    pin = _pin_empty(EMPTY_OPS, SOCK_OPS, 1)
    lab.run(where, "bpftool", "cgroup", "attach", str(lab.cgroup_path), "sock_ops", "pinned", pin)
