"""Many active users, each with a first event and as many more as are asked for, in batch records."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from agents.core.shared.home import home
from bench.workload import Record
from schemas.times import instant

__all__ = ["Population"]

_BATCH = 100


@dataclass(slots=True)
class Population:
    """``users`` over ``companies``, at ``sources`` app instances that number their events; all at ``time`` (ms)."""

    time: int
    users: int
    sources: int
    companies: int = 160
    partitions: int = 8
    _numbers: Counter[str] = field(default_factory=Counter)
    _homes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._homes = {number: home(self._name(number).encode(), self.partitions) for number in range(self.companies)}

    @staticmethod
    def _name(number: int) -> str:
        return f"company-{number}"

    def arrivals(self) -> Iterator[Record]:
        """Every user once."""
        for company in range(self.companies):
            users = range(company, self.users, self.companies)
            for begin in range(0, len(users), _BATCH):
                yield self._record(company, users[begin : begin + _BATCH])

    def visits(self, seed: int, per_record: int) -> Iterator[Record]:
        """Users who come again, for ever: one record for each partition in turn."""
        choose = random.Random(seed)
        by_home = [[company for company, at in self._homes.items() if at == here] for here in range(self.partitions)]
        for here in itertools.cycle(range(self.partitions)):
            if by_home[here]:
                company = choose.choice(by_home[here])
                count = max(1, self.users // self.companies)
                yield self._record(
                    company, [company + self.companies * choose.randrange(count) for _ in range(per_record)]
                )

    def _record(self, company: int, users: "range | list[int]") -> Record:
        name, at = self._name(company), instant(self.time, fraction=True)
        events = []
        for user in users:
            # A source is one company's: its number and the user's leave the same rest.
            source = user % (self.sources // self.companies * self.companies)
            key = f"app-{source}"
            number = self._numbers[key]
            self._numbers[key] += 1
            events.append(
                {
                    "specversion": "1.0",
                    "id": f"{source}-{number}",
                    "source": key,
                    "type": "message.sent",
                    "time": at,
                    "company": name,
                    "sequence": number,
                    "data": {"user": f"user{user}@example.org", "role": "user"},
                }
            )
        return self._homes[company], name.encode(), orjson.dumps(events)
