"""Laws of the small parts of the fold: joins, intervals, days of activity, homes, pseudonyms."""

import hmac
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.accept.intervals import MAX_INTERVALS, IntervalSet
from agents.core.accept.pseudonyms import KeyFormatError, Pseudonyms, parse_key
from agents.core.accept.strict_json import too_deep
from agents.core.count.kinds.activity import add_day, neighbours, pack_days, unpack_days
from agents.core.shared.control import InForce
from agents.core.shared.home import home, murmur2
from agents.core.shared.joins import ENTRY_KEY, JoinedLog, fence_of, join_values, payload_of, seal

VALUES = st.builds(seal, st.integers(-1, 5), st.integers(0, 3))
IN_FORCE = st.integers(0, 3).map(lambda number: InForce(number, -1, ("a-b", *(f"{at}-c" for at in range(number)))))
ENTRIES = st.builds(seal, st.integers(-1, 5), st.tuples(*[st.integers(-1, 5)] * 3, IN_FORCE))


@given(st.sampled_from([(b"k", VALUES), (ENTRY_KEY, ENTRIES)]), st.data())
def test_join_is_associative_commutative_idempotent(
    kind: tuple[bytes, st.SearchStrategy[bytes]], data: st.DataObject
) -> None:
    key, values = kind
    a, b, c = (data.draw(values) for _ in range(3))
    assert join_values(key, a, b) == join_values(key, b, a)
    assert join_values(key, a, a) == a
    assert join_values(key, join_values(key, a, b), c) == join_values(key, a, join_values(key, b, c))


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), VALUES | st.none()), max_size=20), st.randoms())
def test_the_joined_log_needs_no_order_and_knows_what_to_mend(log: list[tuple[bytes, bytes | None]], random) -> None:
    one, other = JoinedLog(), JoinedLog()
    last = {}
    for key, value in log:
        one.apply(key, value)
        last[key] = value
    random.shuffle(log)
    for key, value in log:
        other.apply(key, value)
    assert dict(one.items()) == dict(other.items())
    assert dict(one.to_mend()) == {key: value for key, value in one.items() if last[key] != value}


def test_a_sealed_value_opens() -> None:
    assert fence_of(seal(-1, None)) == -1
    assert fence_of(seal(2**62, None)) == 2**62
    assert payload_of(seal(3, "x")) == b"\xa1x"


@given(st.lists(st.integers(0, 300) | st.integers(2**63 - 3, 2**63 - 1), max_size=300))
def test_an_interval_set_is_a_set(numbers: list[int]) -> None:
    seen: set[int] = set()
    intervals = IntervalSet()
    stored: dict[int, list[int]] = {}
    for number in numbers:
        assert (number in intervals) == (number in seen)
        assert bool(intervals.add(number)) == (number not in seen)
        seen.add(number)
        stored.update((low, list(leaf)) for low, leaf in intervals.written())
    again = IntervalSet(stored.items()) if stored else IntervalSet()
    assert all(number in again for number in seen)
    assert all((number in again) == (number in seen) for number in range(302))
    assert all(len(leaf) <= 2 * MAX_INTERVALS for _, leaf in again.leaves())


@given(st.lists(st.integers(100, 170), min_size=1, max_size=40))
def test_days_are_kept_with_their_neighbours(days: list[int]) -> None:
    packed = None
    seen: set[int] = set()
    for day in days:
        changed = add_day(packed, day, 100)
        assert (changed is None) == (day in seen)
        if packed is not None and changed is not None:
            before = max((other for other in seen if other < day), default=-1)
            after = min((other for other in seen if other > day), default=-1)
            assert neighbours(packed, day) == (before, after)
        packed = packed if changed is None else changed
        seen.add(day)
    assert packed is not None
    assert unpack_days(*pack_days(packed)) == packed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_murmur2_is_kafkas(text: str, expected: int) -> None:
    assert murmur2(text.encode()) == expected
    assert home(text.encode(), 8) == (expected & 0x7FFFFFFF) % 8


def test_pseudonyms_tell_apart_and_tell_nothing() -> None:
    one, other = Pseudonyms(bytes(32)), Pseudonyms(bytes(31) + b"\1")
    made = {one.user("a", "ann"), one.user("b", "ann"), one.source("a", "ann"), other.user("a", "ann")}
    assert len(made) == 4
    assert one.user("a", "ann") == Pseudonyms(bytes(32)).user("a", "ann")
    assert len(one.user("a", "ann")) == 16
    assert one.fingerprint() != other.fingerprint()
    assert parse_key("00" * 32 + "\n") == bytes(32)
    with pytest.raises(KeyFormatError, match="64 hexadecimal") as caught:
        parse_key("not-a-key")
    assert "not-a-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'"' + b"[" * 100 + b'"', False),
        (b"[" + b"{}," * 500 + b"{}]", False),
        (b'["\\"' + b"[" * 100 + b'"]', False),
        (b'{"a":' * 65, True),
    ],
)
def test_depth_is_counted_outside_strings(data: bytes, expected: bool) -> None:
    assert too_deep(data) is expected


def test_pseudonyms_are_those_of_the_standards_however_much_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.core.accept.pseudonyms._COMPANIES", 3)
    monkeypatch.setattr("agents.core.accept.pseudonyms._REMEMBERED", 5)
    secret, choose = bytes(range(32)), Random(1)
    made = Pseudonyms(secret)
    prk = hmac.new(b"footfall pseudonyms 1", secret, "sha256").digest()  # HKDF, RFC 5869

    def wanted(kind: bytes, company: str, name: str) -> bytes:
        key = hmac.new(prk, kind + b"\0" + company.encode() + b"\1", "sha256").digest()
        return blake2b(name.encode(), key=key, digest_size=16, person=kind).digest()

    for _ in range(400):
        company, name = f"c{choose.randrange(9)}", f"n{choose.randrange(12)}"
        assert made.user(company, name) == wanted(b"user", company, name)
        assert made.source(company, name) == wanted(b"source", company, name)
        assert len(made._companies) <= 3
        assert len(made._older) <= 3
        assert sum(len(each.users) + len(each.sources) for each in made._companies.values()) <= 6
