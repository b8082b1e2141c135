"""Connections that stay open and idle: hold.py serve PORT COUNT | hold.py connect ADDRESS PORT COUNT.

`connect` prints the number once that many are open. Several processes share them, since a process may not
have as many files everywhere.
"""

import os
import resource
import socket
import sys
import time

EACH = 15_000


def share(count: int) -> list[int]:
    """The first connection of each process."""
    return list(range(0, count, EACH))


def serve(port: int, count: int) -> None:
    listener = socket.create_server(("0.0.0.0", port), backlog=4096)
    for _ in share(count):
        if os.fork() == 0:
            for _ in range(EACH):
                listener.accept()[0].detach()
            break
    time.sleep(3600)


def connect(address: str, port: int, count: int) -> None:
    """From 192.0.2.32 on, an address for each process."""
    done, said = os.pipe()
    for number, first in enumerate(share(count)):
        if os.fork() == 0:
            for i in range(first, min(first + EACH, count)):
                client = socket.socket()
                client.bind((f"192.0.2.{32 + number}", 20_000 + i - first))
                client.connect((address, port))
                client.detach()
                os.write(said, b".")
            time.sleep(3600)
    opened = 0
    while opened < count:
        opened += len(os.read(done, 65536))
    print(count, flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
