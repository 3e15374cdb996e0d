"""The sandbox as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from target_promoter.sandbox.account import Account

EMAIL = "ann@example.com"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_in_the_foreground(tmp_path: Path, number: signal.Signals) -> None:
    """In the foreground it serves until a signal, prints nothing, keeps the account and ends in peace."""
    program = (
        "import sys; from pathlib import Path; from target_promoter.sandbox.server import SandboxServer\n"
        "server = SandboxServer(Path(sys.argv[1]), port=int(sys.argv[2])); server.serve()"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = tmp_path / "account.db"
    with subprocess.Popen(
        [sys.executable, "-c", program, path, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    ) as process:
        body = {"email": EMAIL}
        for _ in range(100):
            try:
                requests.post(
                    f"http://127.0.0.1:{port}/api/contacts/",
                    data=json.dumps(body),
                    headers={"Authorization": "Token sandbox", "Content-Type": "application/json"},
                    timeout=5,
                ).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        process.send_signal(number)
        assert process.stdout is not None
        assert (process.stdout.read(), process.wait(10)) == (b"", 0)
    account = Account(path)
    assert EMAIL in account.contacts
    account.close()
