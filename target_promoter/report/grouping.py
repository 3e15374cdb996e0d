"""What failed, grouped by reason, with a few examples and the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from target_promoter.progress.fixes import fix_refused, fix_rejected
from target_promoter.report.data import Group
from target_promoter.store.encoding import decode
from target_promoter.store.schema import contacts, rejected, surveys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_promoter.store.transaction import Transaction

GROUPS: Final = 25
EXAMPLES: Final = 3
_TELLING: Final = ("userId", "user_id", "email", "email_address", "messageId", "message_id", "id")
_LONGEST: Final = 60


def rejected_groups(tx: Transaction) -> tuple[Group, ...]:
    """Return the rejected records by stream and reason, the most frequent first."""
    of_group = (rejected.c.stream, rejected.c.reason)
    number = func.count().label("number")
    query = select(*of_group, number).group_by(*of_group).order_by(number.desc(), *of_group).limit(GROUPS)
    groups = []
    for stream, reason, count in tx.execute(query).all():
        where = (rejected.c.stream == stream) & (rejected.c.reason == reason)
        records = tx.scalars(select(rejected.c.record).where(where).order_by(rejected.c.id).limit(EXAMPLES))
        examples = tuple(_telling(decode(record) or {}) for record in records)
        groups.append(Group("record", f"stream {stream}", reason, count, examples, fix_rejected(reason)))
    return tuple(groups)


def refused_groups(tx: Transaction) -> tuple[Group, ...]:
    """Return the surveys and contacts that Promoter refused by its words, the most frequent first."""
    groups = []
    number = func.count().label("number")
    refused = surveys.c.status == "refused"
    of_group = (surveys.c.campaign_id, surveys.c.reason)
    query = (
        select(*of_group, number).where(refused).group_by(*of_group).order_by(number.desc(), *of_group).limit(GROUPS)
    )
    for campaign, reason, count in tx.execute(query).all():
        of_this = refused & (surveys.c.campaign_id == campaign) & surveys.c.reason.is_not_distinct_from(reason)
        emails = tx.scalars(select(surveys.c.claimed_email).where(of_this).order_by(surveys.c.id).limit(EXAMPLES))
        examples = tuple(email for email in emails if email)
        groups.append(Group("survey", f"campaign {campaign}", _words(reason), count, examples, fix_refused("survey")))
    refused = contacts.c.status == "refused"
    query = select(contacts.c.reason, number).where(refused).group_by(contacts.c.reason)
    for reason, count in tx.execute(query.order_by(number.desc(), contacts.c.reason).limit(GROUPS)).all():
        of_this = refused & contacts.c.reason.is_not_distinct_from(reason)
        examples = tuple(tx.scalars(select(contacts.c.email).where(of_this).order_by(contacts.c.email).limit(EXAMPLES)))
        groups.append(Group("contact", "contacts", _words(reason), count, examples, fix_refused("contact")))
    return tuple(sorted(groups, key=lambda group: -group.number))


def _words(reason: str | None) -> str:
    return reason or "no words"


def _telling(record: Mapping[str, Any]) -> str:
    """Return what tells a record from others: its ids and its address."""
    traits = record.get("traits")
    inner = traits if isinstance(traits, dict) else {}
    found = [(name, value) for name in _TELLING for value in [record.get(name, inner.get(name))] if value is not None]
    return ", ".join(f"{name} {str(value)[:_LONGEST]}" for name, value in found) or "a record without any id"
