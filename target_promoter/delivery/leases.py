"""The names under which processes take leases in the store."""

from __future__ import annotations

import os
import secrets
import socket


def new_name() -> str:
    """Return the name under which this process takes leases: its machine, its number there, and a mark of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_dead(name: str) -> bool:
    """Return whether the process of a lease's name surely died; of another machine's that cannot be known.

    Containers may share a machine's name and not see each other's processes. So nothing may rest on this but a request
    that is harmless to repeat.

    Args:
        name: The name.
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
