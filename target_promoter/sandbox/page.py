"""The page at ``/``: what this is and how to talk to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_promoter.sandbox.account import Account


def page(account: Account) -> bytes:
    """Return the page for an account as it is now, UTF-8."""
    contacts, surveys = len(account.contacts), len(account.surveys)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Promoter sandbox</title>
<h1>Promoter sandbox</h1>
<p>A stand-in Promoter account: nobody is e-mailed. Its API is at <code>/api</code>.</p>
<p>It holds {contacts} contacts and was asked for {surveys} surveys:
<a href="/sandbox/state">all it knows</a>.</p>
</html>
""".encode()
