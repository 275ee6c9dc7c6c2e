"""What a check of ``doctor`` found."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from aiokafka.errors import KafkaError

from pipeline.errors import StartupError

__all__ = ["Finding", "Verdict", "found", "wrong"]


class Verdict(StrEnum):
    """What a check found; only ``WRONG`` fails the command."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "not checked"


class Finding(NamedTuple):
    """One row of the report."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


def wrong(check: str, refusal: StartupError) -> Finding:
    """What would refuse a start."""
    return Finding(check, Verdict.WRONG, refusal.what, refusal.do)


async def found(check: str, look: Callable[[], Awaitable[Finding]]) -> Finding:
    """What ``look`` finds; a refusal and brokers that fail on the way are findings too."""
    try:
        return await look()
    except StartupError as refusal:
        return wrong(check, refusal)
    except (KafkaError, OSError) as error:
        mend = "look at the state of the brokers, then try again"
        return Finding(check, Verdict.WRONG, f"the brokers do not tell it ({type(error).__name__})", mend)
