"""What is simulated: a plan, and the records that follow from it."""

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, NamedTuple

import orjson

from agents.core.shared.home import home
from pipeline.simulate.made import made_data
from pipeline.simulate.world import Company, canaries, companies
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.examples import bad_examples, good_examples
from schemas.limits import DAY_MS
from schemas.times import instant

__all__ = ["Plan", "SimRecord", "simulate"]

_NAMES: Final = (
    ("message.sent", 34),
    ("message.sent.assistant", 30),
    ("prompt.submitted", 14),
    ("chat.created", 7),
    ("feedback.given", 5),
    ("app.started", 4),
    ("space.created", 2),
    ("folder.created", 2),
    ("group.created", 1),
    ("user.created", 1),
)
"""Good examples by name, and how often each is sent."""
_OWN_WEIGHT: Final = 6
"""Of each type that is not built in."""
_FAR_BACK: Final = 2000


@dataclass(frozen=True, slots=True)
class Plan:
    """A fortnight by default; ``end`` is the last event's time in ms, shares are of records, from 0 to 1."""

    end: int
    seed: int = 1
    companies: int = 30
    users: int = 40
    """Of the largest company; the others have fewer, at least 3."""
    days: int = 14
    events: int = 200_000
    partitions: int = 8
    duplicates: float = 0.02
    late: float = 0.01
    malformed: float = 0.005
    batches: float = 0.02
    misplaced: float = 0.01
    pii_canaries: bool = False
    catalogue: Catalogue = BUILT_IN

    def canaries(self) -> list[str]:
        """Every planted text, for a search; whatever is personal in the records holds one of them."""
        return canaries(self.seed) if self.pii_canaries else []


class SimRecord(NamedTuple):
    """One record; ``partition`` None is the key's home."""

    partition: int | None
    key: bytes | None
    value: bytes


def simulate(plan: Plan) -> Iterator[SimRecord]:
    """The records of ``plan`` in the order in which they are sent, ``plan.events`` first deliveries in all.

    >>> [len(list(simulate(Plan(end=1_700_000_000_000, events=10, malformed=0, duplicates=0, batches=0))))]
    [10]
    """
    rng = random.Random(plan.seed)  # noqa: S311 - a simulation
    world = companies(rng, plan.seed, plan.companies, plan.users, canaries_on=plan.pii_canaries)
    volume = list(accumulate(company.weight for company in world))
    own = [name for name in plan.catalogue.accepted if name not in BUILT_IN.types]
    named = [*_NAMES, *((name, _OWN_WEIGHT) for name in own)]
    names, weights = [name for name, _ in named], list(accumulate(weight for _, weight in named))
    start = plan.end - plan.days * DAY_MS
    sent: list[SimRecord] = []
    made = 0
    while made < plan.events:
        company = rng.choices(world, cum_weights=volume)[0]
        number = min(plan.events - made, rng.randrange(2, 40)) if rng.random() < plan.batches else 1
        time = start + (plan.end - start) * made // plan.events
        events = [_event(rng, plan, company, rng.choices(names, cum_weights=weights)[0], time) for _ in range(number)]
        made += number
        record = _record(rng, plan, company, events)
        yield record
        draw = rng.random()
        if draw < plan.duplicates and sent:
            yield rng.choice(sent[-20:] if draw < plan.duplicates / 2 else sent)
        if len(sent) < _FAR_BACK:
            sent.append(record)
        else:
            sent[rng.randrange(_FAR_BACK)] = record


def _event(rng: random.Random, plan: Plan, company: Company, name: str, time: int) -> dict[str, Any]:
    source = rng.choice(company.sources)
    time = _time(rng, plan, time)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{source.name}-{rng.getrandbits(48):012x}",
        "source": source.name,
        "company": company.name,
        "time": _spelled(rng, time),
    }
    if source.numbered:
        event["sequence"] = source.number
        source.number += 1
    if source.installation is not None:
        event["installation"] = source.installation
    if rng.random() < 0.0005:
        scope = rng.choice(("platform", "app"))
        return event | {"type": "consent.changed", "data": {"scope": scope, "granted": rng.random() < 0.5}}
    if name not in good_examples():
        data = made_data(rng, plan.catalogue.types[name], time)
        if rng.random() < 0.5:
            data["user"] = rng.choices(company.users, cum_weights=company.activity)[0]
        return event | {"type": name, "data": data}
    good = good_examples()[name]
    event["type"] = good["type"]
    event["data"] = data = {**good["data"], **company.data(rng, good["type"])}
    if "user" in data:
        data["user"] = rng.choices(company.users, cum_weights=company.activity)[0]
    return event


def _time(rng: random.Random, plan: Plan, time: int) -> int:
    draw = rng.random()
    if draw >= plan.late:
        return time - rng.randrange(4000)
    if draw < plan.late * 0.05:
        return time - 40 * DAY_MS  # too late
    if draw < plan.late * 0.1:
        return plan.end + DAY_MS  # clock ahead
    return time - int(rng.paretovariate(0.7) * 600_000) % (20 * DAY_MS)


def _spelled(rng: random.Random, time: int) -> str:
    """The same instant in one of the ways in which producers write it."""
    draw = rng.random()
    if draw < 0.9:
        return instant(time, fraction=True)
    if draw < 0.95:
        return instant(time, fraction=True).lower()
    return instant(time + 19_800_000, fraction=True).replace("Z", "+05:30")


def _record(rng: random.Random, plan: Plan, company: Company, events: list[dict[str, Any]]) -> SimRecord:
    key: bytes | None = company.name.encode()
    partition: int | None = None
    value = orjson.dumps(events[0] if len(events) == 1 else events)
    if rng.random() < plan.malformed:
        value = _spoilt(rng, company, events[0], value)
    elif rng.random() < plan.misplaced:
        partition = zlib.crc32(company.name.encode()) % plan.partitions
        if rng.random() < 0.5:
            key = None
    return SimRecord(partition, key, value)


def _spoilt(rng: random.Random, company: Company, event: dict[str, Any], value: bytes) -> bytes:
    """One of the ways in which form is not kept, with something personal in it."""
    person = company.users[0]
    others = (value[:-5], f"{person} called".encode(), orjson.dumps(event | {"company": f"{company.name}-other"}))
    examples = [*bad_examples().values()]
    choice = rng.randrange(len(examples) + len(others))
    if choice >= len(examples):
        return others[choice - len(examples)]
    bad = examples[choice]
    if bad.text is not None:
        return bad.record()
    return replace(bad, patch=_personal(bad.patch, person)).record(event)


def _personal(patch: Any, person: str) -> Any:
    """A patch whose texts, save empty ones, also name a person."""
    if isinstance(patch, Mapping):
        return {key: _personal(item, person) for key, item in patch.items()}
    return f"{patch} {person}" if isinstance(patch, str) and patch else patch


def home_of_record(record: SimRecord, partitions: int) -> int:
    """Where a record is appended: where it says, else at its key's home."""
    if record.partition is not None:
        return record.partition
    return home(record.key or b"", partitions)
