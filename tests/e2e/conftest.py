"""What tests of whole programs have of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from target_promoter.sandbox.server import SandboxServer
from tests.conftest import new_sandbox


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """Yield a sandbox of the test's own: a request of a killed program may still come to it."""
    with new_sandbox() as server:
        yield server
