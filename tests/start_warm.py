"""Is the program, for whoever starts it: has the fork server start it with this process's files, and ends as it ends.

Its arguments are the server's socket, the program that is installed, and what follows the program's name.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Start the program, pass signals on, and end with its status."""
    address, installed, *arguments = sys.argv[1:]
    if "PYTHONPATH" in os.environ:  # As with another clock, which a new interpreter alone goes by everywhere.
        os.execv(installed, [installed, *arguments])  # noqa: S606 - the program itself
    folder = Path(tempfile.mkdtemp(prefix="program-"))
    job = {"arguments": arguments, "cwd": str(Path.cwd()), "folder": str(folder), "env": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(job).encode()], [0, 1, 2])
    os.closerange(0, 3)  # Else nobody would see that the program closed its own.
    while not (folder / "pid").exists():
        time.sleep(0.001)
    process = int((folder / "pid").read_text(encoding="ascii"))
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda number, _: os.kill(process, number))
    while not (folder / "status").exists():
        time.sleep(0.005)
    status = int((folder / "status").read_text(encoding="ascii"))
    shutil.rmtree(folder)
    os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
