"""How much a user may submit: charges counted exactly, under a lock on the user's row, and given back for failures of ours."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, select

from leaderboard.config import Config
from leaderboard.names import SubmissionError
from leaderboard.store import charges, db_now, upsert, users


def lock_user(connection: Connection, user: str) -> None:
    """Make this user's row and hold it until the transaction ends: whoever counts the user's charges now counts them exactly."""
    connection.execute(upsert(connection, users, {"name": user}, {"name": user}))


def charged(connection: Connection, config: Config, user: str) -> int:
    """Submissions that count against the user's quota now; a charge from the future, made before a wrong clock was set right, does not."""
    recent = charges.c.at.between(db_now() - config.quota_window, db_now() + config.quota_window)
    return connection.execute(select(func.count()).select_from(charges).where(charges.c.username == user, recent)).scalar_one()


def check_quota(connection: Connection, config: Config, user: str) -> None:
    """Raise SubmissionError, saying when the next place is free, when the user has no submission left."""
    if charged(connection, config, user) < config.quota:
        return
    mine = and_(charges.c.username == user, charges.c.at <= db_now() + config.quota_window)
    newest = select(charges.c.at).where(mine).order_by(charges.c.at.desc()).limit(config.quota).subquery()
    wait = connection.execute(select(func.min(newest.c.at) + config.quota_window - db_now())).scalar_one()
    raise SubmissionError(
        f"{user} has used the {config.quota} submissions allowed in {duration(config.quota_window)}; the next is possible in {duration(wait)}. "
        "Failures of ours and jobs cancelled before they started do not count."
    )


def duration(seconds: float) -> str:
    """Seconds as whole minutes or hours, at least a minute.

    >>> duration(86400), duration(61), duration(7100)
    ('24 hours', '1 minute', '118 minutes')
    """
    minutes = max(1, round(seconds / 60))
    count, unit = (minutes, "minute") if minutes < 120 else (round(minutes / 60), "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def refund(connection: Connection, ids: Sequence[str]) -> None:
    """Take back what these jobs cost when they were last queued; what an earlier run of one cost stays."""
    other = charges.alias()
    newest = select(func.max(other.c.at)).where(other.c.job == charges.c.job).scalar_subquery()
    connection.execute(delete(charges).where(charges.c.job.in_(ids), charges.c.at == newest))
