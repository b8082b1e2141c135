"""A place from which nothing remains, however the run ends.

The benchmark runs as the first process of a PID namespace, with network namespace, mounts and bpffs of
its own. When it or its parent is killed, the kernel kills everything in that PID namespace; network
namespaces, pins, links and files end with the last process that has them. Only cgroups have no owner: a
guardian, which waits at a pipe that every death closes, removes them.
"""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

NEWNS, NEWPID, NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
FILES = "/run"  # where the run's files are; others' are hidden meanwhile
LIBC = ctypes.CDLL(None, use_errno=True)


def cgroup_root() -> Path:
    """Where cgroup v2 is mounted."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split()[4])
    raise SystemExit("bench/run: no cgroup2 is mounted")


def _call(name: str, *arguments: int) -> None:
    if getattr(LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _guard(pipe: int, prefix: Path) -> None:
    """Waits until every writer of the pipe is gone, then removes the cgroups PREFIX*."""
    os.setsid()
    while os.read(pipe, 1):
        pass
    for _ in range(200):
        left = list(prefix.parent.glob(prefix.name + "*"))
        for group in left:
            try:
                group.rmdir()
            except OSError:
                pass
        if not left:
            return
        time.sleep(0.05)


def _mounts() -> None:
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "proc", "proc", "/proc"],
        ["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"],
        ["mount", "-t", "tmpfs", "tmpfs", FILES],
    ):
        subprocess.run(command, check=True)


def run(body: Callable[[Path], int]) -> int:
    """Runs `body`, which may make cgroups whose paths begin with its argument. Returns what that returns."""
    prefix = cgroup_root() / f"bpfport-bench-{os.getpid()}"
    read, write = os.pipe()
    guardian = os.fork()
    if guardian == 0:
        os.close(write)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _guard(read, prefix)
        os._exit(0)
    os.close(read)
    _call("unshare", NEWNS | NEWPID | NEWNET)
    child = os.fork()
    if child == 0:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent kills this process
        code = 1
        try:
            _mounts()
            code = body(prefix)
        finally:
            os._exit(code)

    def end(number: int, _frame: object) -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(write)
        os.waitpid(guardian, 0)
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(write)
    os.waitpid(guardian, 0)
    return status if status >= 0 else 1
