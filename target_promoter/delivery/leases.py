"""The names under which processes take leases in the store."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections.abc import Iterator


def new_names() -> Iterator[str]:
    """Yield names under which this process takes leases, one for each request.

    A process that stood still for minutes may take a lease again that it lost to itself: what comes of the first
    request must not be taken for the answer to the second.
    """
    process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    for number in itertools.count():
        yield f"{process}-{number}"


def is_dead(name: str) -> bool:
    """Return whether the process of a lease's name surely died; of another machine's that cannot be known.

    Containers may share a machine's name and not see each other's processes. So nothing may rest on this but a request
    that is harmless to repeat.
    """
    host, number, _ = name.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
