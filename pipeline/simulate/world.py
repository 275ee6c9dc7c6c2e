"""The companies of a simulation: how large they are, what they have installed, who works there."""

import random
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

__all__ = ["Company", "Source", "canaries", "companies"]

_FIRST: Final = ("acme", "globex", "initech", "umbra", "hooli", "stark", "wayne", "wonka", "tyrell", "cyber")
_SECOND: Final = ("", "-labs", "-health", "-bank", "-media", "-foods", "-air", "-tools", "-energy", "-legal")
_KINDS: Final = ("project", "domain", "personal")
_ASSISTANTS: Final = ("writer", "coder", "analyst", "support")
_MODULES: Final = ("chat", "search", "summary")
_VERSIONS: Final = ("5.1.0", "5.2.0", "5.2.1", "6.0.0+rc1")


@dataclass(slots=True)
class Source:
    """One installation or app instance; ``number`` is the next sequence where it is numbered."""

    name: str
    installation: str | None
    numbered: bool
    number: int = 0


@dataclass(slots=True)
class Company:
    """A customer; ``activity`` are the users' weights, added up."""

    name: str
    weight: float
    sources: list[Source] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    activity: list[float] = field(default_factory=list)
    secret: str = ""

    def data(self, rng: random.Random, name: str) -> dict[str, Any]:
        """Fields of ``data`` that vary for a type; with a secret, free text that must never pass."""
        fields: dict[str, Any] = {}
        if name == "prompt.submitted":
            fields |= {"assistant": rng.choice(_ASSISTANTS), "module": rng.choice(_MODULES)}
        elif name == "feedback.given":
            fields["sentiment"] = "positive" if rng.random() < 0.8 else "negative"
        elif name == "folder.created":
            fields["kind"] = rng.choice(_KINDS)
        elif name == "app.started":
            fields["version"] = rng.choice(_VERSIONS)
        if self.secret and rng.random() < 0.3:
            fields |= {"text": f"call {self.secret} back", "subject": {"mail": f"{self.secret}@example.org"}}
        return fields


def canaries(seed: int) -> list[str]:
    """The planted texts of a seed: in user names, in source names, in free text."""
    rng = random.Random(f"canaries {seed}")  # noqa: S311 - a simulation
    return [f"{kind}{rng.getrandbits(64):016x}" for kind in ("person", "place", "secret")]


def companies(rng: random.Random, seed: int, count: int, users: int, *, canaries_on: bool) -> list[Company]:
    """``count`` companies, their volume after Pareto, the first the largest."""
    person, place, secret = canaries(seed) if canaries_on else ("user", "site", "")
    found = []
    for number in range(count):
        first, second = _FIRST[number % len(_FIRST)], _SECOND[number // len(_FIRST) % len(_SECOND)]
        more = f"-{number}" if number >= len(_FIRST) * len(_SECOND) else ""
        company = Company(f"{first}{second}{more}", 1 / (number + 1) ** 1.1, secret=secret if canaries_on else "")
        for at in range(rng.randrange(1, 5)):
            installation = f"{place}-{number}-hall" if at >= 2 else None
            company.sources.append(Source(f"{place}-{number}-{at}", installation, numbered=at % 4 != 3))
        people = max(3, int(users / (number + 1) ** 0.7))
        company.users = [f"{person}.{number}.{at}@example.org" for at in range(people)]
        company.activity = list(accumulate(1 / (at + 1) ** 0.8 for at in range(people)))
        found.append(company)
    return found
