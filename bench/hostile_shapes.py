"""What may be written to raw, by shape: one for each way in which bytes could cost more than those of plain events.

A shape is made of named ingredients, so that a search can put together others than those that anybody thought of.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from schemas.catalogue.types import EVENT_TYPES
from schemas.limits import DAY_MS, HOUR_MS, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.times import instant

__all__ = ["ATOMS", "CATALOGUE", "INGREDIENTS", "NOW", "Row", "Shape", "drawn", "neighbour", "rows"]

NOW: Final = 1793534400000 - 1793534400000 % HOUR_MS + HOUR_MS // 2
Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value, headers."""
Event = dict[str, Any]
_SCATTER: Final = 2654435761
"""Times this, modulo a power of two, numbers in order are numbers in none."""


def _put(**given: Any) -> Callable[[Event, int], None]:
    return lambda event, _: event.update(given)


def _drop(name: str) -> Callable[[Event, int], None]:
    def drop(event: Event, _: int) -> None:
        event.pop(name, None)

    return drop


def _each(name: str, made: Callable[[int], object]) -> Callable[[Event, int], None]:
    return lambda event, number: event.update({name: made(number)})


def _data(**given: Any) -> Callable[[Event, int], None]:
    def put(event: Event, number: int) -> None:
        told = {name: value(number) if callable(value) else value for name, value in given.items()}
        held = event.get("data")
        event["data"] = {**(held if isinstance(held, dict) else {}), **told}

    return put


def _time(behind: Callable[[int], int]) -> Callable[[Event, int], None]:
    return lambda event, number: event.update(time=instant(NOW - behind(number), fraction=True))


_WRONG: Final[dict[str, object]] = {
    "specversion": "2", "id": "", "source": 5, "type": "chat.opened", "company": "", "sequence": 1.5,
    "installation": "", "data": [], "time": "2026-11-01T10:00:00",
}  # fmt: skip
_APP: Final = {"application": "a", "version": "1", "environment": "e"}
INGREDIENTS: Final[dict[str, Callable[[Event, int], None]]] = {
    **{f"wrong {name}": _put(**{name: value}) for name, value in _WRONG.items()},
    **{f"no {name}": _drop(name) for name in ("specversion", "id", "source", "type", "company", "time")},
    **{f"too long {name}": _put(**{name: "x" * 1025}) for name in ("id", "source", "installation")},
    **{f"{kind} without data": _put(type=kind, data={}) for kind in EVENT_TYPES},
    "wrong dimension": lambda event, _: event.update(type="folder.created", data={"kind": "x y"}),
    "long names": _each("id", lambda number: f"{number:0250}"),
    "umlauts": _each("id", lambda number: "é" * 100 + str(number)),
    "key of another company": _put(company="b"),
    "sequence rising": _each("sequence", lambda number: number),
    "sequence as text": _each("sequence", str),
    "one sequence": _put(sequence=7),
    "sequence falling": _each("sequence", lambda number: 10**9 - 2 * number),
    "sequence scattered": _each("sequence", lambda number: number * _SCATTER % 2**20),
    "sequence far apart": _each("sequence", lambda number: number * _SCATTER % 2**20 << 40),
    "one id": _put(id="1"),
    "clock ahead": _time(lambda _: -DAY_MS),
    "too late": _time(lambda _: 40 * DAY_MS),
    "hour by hour": _time(lambda number: number % 820 * HOUR_MS),
    "day by day": _time(lambda number: number % 34 * DAY_MS),
    "at the edge of lateness": _time(lambda number: 35 * DAY_MS - number),
    "odd fractions": _each("time", lambda number: f"{instant(NOW - number)[:-1]}.{number:09}Z"),
    "odd offsets": _each("time", lambda n: f"2026-11-01T10:{n % 60:02}:{n // 60 % 60:02}+{n % 14:02}:{n % 60:02}"),
    "new sources": _each("source", lambda number: f"{number:x}"),
    "new incarnations": _each("source", lambda number: f"s#{number:x}"),
    "new installations": _each("installation", lambda number: f"{number:x}"),
    "one user": _data(user="u"),
    "new users": _data(user=lambda number: f"{number:x}"),
    "new shapes": lambda event, number: event.update(type="folder.created", data={"kind": f"{number:x}"}),
    "new shapes of three": lambda event, number: event.update(
        type="app.started", data=_APP | {"application": f"{number:x}"}
    ),
    "irrelevant fields": _data(kind=lambda number: f"{number:x}"),
    "app started": lambda event, _: event.update(type="app.started", data=_APP),
    "grants": lambda event, _: event.update(type="consent.changed", data={"scope": "app", "granted": True}),
    "withdrawals": lambda event, _: event.update(type="consent.changed", data={"scope": "platform", "granted": False}),
    "escapes": _put(x="\n" * 50),
    "numbers": _put(x=[0] * 50),
    "objects": _put(x=[{}] * 30),
}
"""What is done to an event that would else be plain."""


def _nested(levels: int, times: int = 1) -> bytes:
    return b",".join([b"[" * levels + b"]" * levels] * times)


def _within(text: bytes) -> bytes:
    return b'{"x":' + text + b"}"


ATOMS: Final[dict[str, bytes | None]] = {
    **{f"`{text}`": text.encode() for text in ("{}", "[]", "0", '""', "null", "1e9", "-0.0", "{ ", '{"a":0}')},
    "no value": None,
    "an empty value": b"",
    "63 lists in each other": _nested(63),
    "65 lists in each other": _nested(65),
    "many nested lists": b"[" + _nested(62, 5000) + b"]",
    "opening brackets": b"[" * 300_000,
    "closing brackets": b"[" * 65 + b"]" * 300_000,
    "many empty lists": _within(b"[" + b"[]," * 200_000 + b"0]"),
    "many empty objects": _within(b"[" + b"{}," * 200_000 + b"0]"),
    "many zeros": _within(b"[" + b"0," * 300_000 + b"0]"),
    "many members": b"{" + b",".join(b'"%x":0' % number for number in range(60_000)) + b"}",
    "one member again and again": b"{" + b",".join([b'"":0'] * 100_000) + b"}",
    "data again and again": b"{" + b",".join([b'"data":{}'] * 60_000) + b"}",
    "short escapes": _within(b'"' + rb"\n" * 300_000 + b'"'),
    "escaped code points": _within(b'"' + rb"\u00e9" * 100_000 + b'"'),
    "backslashes and half a pair": _within(b'"' + rb"\\" * 300_000 + rb"\ud800" + b'"'),
    "surrogate pairs": _within(b'"' + rb"\ud83d\ude00" * 50_000 + b'"'),
    "a number of many digits": _within(b"9" * 600_000),
    "numbers of 4,000 digits": _within(b"[" + b",".join([b"9" * 4000] * 150) + b"]"),
    "good events, then no JSON": b"[" + b'{"specversion":"1.0","id":"1"},' * 9000 + b"x]",
}
"""Values, or items of a batch, that are no events."""

HEADERS: Final[dict[str, list[tuple[str, bytes | None]]]] = {
    "": [],
    "a header": [("h", b"v")],
    "1,000 empty headers": [("", None)] * 1000,
    "50,000 headers": [("h", b"v")] * 50_000,
}
KEYS: Final[dict[str, Callable[[int], bytes | None]]] = {
    "": lambda _: b"a",
    "no key": lambda _: None,
    "other keys": lambda number: b"%x" % number,
    "long keys": lambda number: b"%0128x" % number,
    "keys of 100 kB": lambda _: b"k" * 100_000,
    "new companies": lambda number: b"%x" % number,
    "new companies of 128": lambda number: b"%0128x" % number,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """``items`` events or atoms in a record, 0: one outside batch mode; every ``plain_each``-th is a plain event."""

    items: int
    parts: tuple[str, ...]
    key: str = ""
    headers: str = ""
    plain_each: int = 0

    @property
    def name(self) -> str:
        """What it is, in words."""
        held = f"{self.items:,} a record" if self.items else "one a record"
        some = (f"every {self.plain_each}th plain",) if self.plain_each else ()
        told = [part for part in (*(self.parts or ("plain",)), self.key, self.headers, *some) if part]
        return f"{', '.join(told)}; {held}"

    @property
    def begins_companies(self) -> bool:
        """Whether each record is of a company of its own."""
        return self.key.startswith("new") and not self.items


def _text(shape: Shape, number: int, company: str) -> bytes:
    is_fast = shape.plain_each and number % shape.plain_each == 0
    if shape.parts and shape.parts[0] in ATOMS and not is_fast:
        return ATOMS[shape.parts[0]] or b""
    event: Event = {"specversion": "1.0", "id": f"{number:x}", "source": "s", "type": "chat.created"}
    event |= {"company": company, "time": instant(NOW)}
    for part in () if is_fast else shape.parts:
        INGREDIENTS[part](event, number)
    return orjson.dumps(event)


def _made(shape: Shape) -> Iterator[Row]:
    number = 0
    while True:
        key = KEYS[shape.key](number)
        company = (key or b"a").decode() if shape.key.startswith("new") else "a"
        value: bytes | None
        if shape.items:
            texts, room = list[bytes](), MAX_RECORD_BYTES - 1000
            while len(texts) < shape.items and room > 0:
                texts.append(_text(shape, number, company))
                room -= len(texts[-1]) + 1
                number += 1
            value = b"[" + b",".join(texts if room > 0 or len(texts) == 1 else texts[:-1]) + b"]"
        else:
            value = None if shape.parts == ("no value",) else _text(shape, number, company)
            number += 1
        yield key, value, HEADERS[shape.headers]


def rows(shape: Shape, size: int) -> list[Row]:
    """As many records of the shape as have ``size`` bytes, at least one."""
    found: list[Row] = []
    for row in _made(shape):
        found.append(row)
        size -= 10 + len(row[0] or b"") + len(row[1] or b"") + 4 * len(row[2])
        if size <= 0:
            break
    return found


_ITEMS: Final = (0, 1, 10, 100, 101, 1000, MAX_EVENTS)


def _catalogue() -> Iterator[Shape]:
    small = [name for name, text in ATOMS.items() if text is not None and len(text) < 20]
    for name in ATOMS:
        yield Shape(0, (name,))
    for items in (1, 100, MAX_EVENTS):
        yield from (Shape(items, (name,)) for name in small if name != "an empty value")
    for items in (0, MAX_EVENTS):
        yield from (Shape(items, (name,)) for name in INGREDIENTS)
        yield Shape(items, ("app started", "withdrawals"))
        yield Shape(items, ("new users", "day by day"))
        yield Shape(items, ("new users", "hour by hour"))
        yield Shape(items, ("new sources", "at the edge of lateness"))
    for key in KEYS:
        yield Shape(0, (), key)
        yield Shape(0, ("one user",), key)
        yield Shape(0, ("`{}`",), key)
    for headers in HEADERS:
        yield Shape(0, (), "", headers)
        yield Shape(0, ("no value",), "no key", headers)
    for name in ("`{}`", "one sequence", "wrong time", "new sources"):
        yield from (Shape(items, (name,), plain_each=2) for items in (0, 100, MAX_EVENTS))


CATALOGUE: Final = tuple(dict.fromkeys(_catalogue()))


def drawn(choose: random.Random) -> Shape:
    """Any shape."""
    names = [*INGREDIENTS] if choose.random() < 0.7 else [*ATOMS]
    many = choose.choice((1, 1, 2, 3)) if names[0] in INGREDIENTS else 1
    parts = tuple(dict.fromkeys(choose.choice(names) for _ in range(many)))
    return Shape(choose.choice(_ITEMS), parts, _rare(choose, KEYS), _rare(choose, HEADERS), choose.choice((0, 0, 2, 9)))


def neighbour(shape: Shape, choose: random.Random) -> Shape:
    """The shape with one thing about it drawn anew."""
    other = drawn(choose)
    name = choose.choice(("items", "parts", "key", "headers", "plain_each"))
    return replace(shape, **{name: getattr(other, name)})


def _rare(choose: random.Random, names: dict[str, Any]) -> str:
    return choose.choice([*names]) if choose.random() < 0.3 else ""
