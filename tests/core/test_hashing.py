"""Tables of the compiled part: their hash is SipHash under a secret key, and no choice of names or numbers is slow."""

import ctypes
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.core.accept import fast_path
from agents.core.count import pre_aggregate
from agents.core.native import key, pre_aggregate_columns
from agents.core.shared.records import RawRecord
from schemas.catalogue.types import EVENT_TYPES
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.wire.columns import column
from tests.core.events_hostile import GOOD
from tests.core.test_fast_path import NEEDS_COMPILER, both
from tests.native_build import compiled, library

pytestmark = NEEDS_COMPILER
NOON = 1793527200000
Hash = Callable[[int, int, bytes, int], int]
_MASK = (1 << 64) - 1
_FACTOR = 0x9E3779B97F4A7C15
_SHIM = """
#include "siphash.h"
uint64_t hashed(uint64_t first, uint64_t second, const char *at, size_t size) {
    hash_key = (HashKey){first, second};
    return sip_end(sip_begin(), at, size, 0);
}
"""


@pytest.fixture(scope="module")
def hashed(tmp_path_factory: pytest.TempPathFactory) -> Hash:
    folder = tmp_path_factory.mktemp("siphash")
    source = folder / "shim.c"
    source.write_text(_SHIM)
    found = ctypes.CDLL(str(library(source, folder / "shim.so"))).hashed
    found.restype = ctypes.c_uint64
    found.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t]
    return lambda first, second, name, size: int(found(first, second, name, size))


def test_it_is_the_hash_of_cpython(hashed: Hash) -> None:
    """CPython's bytes are hashed by SipHash-1-3, without hash randomization under a key of zeros."""
    code = "import sys; print(sys.hash_info.algorithm, *(hash(bytes(range(size))) for size in range(1, 100)))"
    told = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, check=True)
    algorithm, *wanted = told.stdout.decode().split()
    assert algorithm == "siphash13"
    assert [hashed(0, 0, bytes(range(size)), size) for size in range(1, 100)] == [int(each) & _MASK for each in wanted]


def test_its_key_matters(hashed: Hash) -> None:
    assert len({hashed(first, second, b"name", 4) for first in range(50) for second in range(50)}) == 2500


def test_the_key_is_drawn_in_each_process() -> None:
    code = "from agents.core.native.key import KEY; print(KEY.hex())"
    told = [subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout for _ in range(2)]
    assert len(bytes.fromhex(told[0].decode())) == 16
    assert told[0] != told[1]


@pytest.mark.parametrize("name", ["fast_path", "pre_aggregate"])
def test_both_parts_take_the_key_of_the_process(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "KEY", b"short")
    with pytest.raises(RuntimeError, match="no key"):
        compiled(name, tmp_path)


# ---- what was weak before


def former_hash(seed: int, name: bytes) -> int:
    """How names were hashed once: a seed, then a multiplication for each eight bytes."""
    found = (seed ^ len(name)) * _FACTOR & _MASK
    found ^= found >> 29
    for at in range(0, len(name), 8):
        found = (found ^ int.from_bytes(name[at : at + 8], "little")) * _FACTOR & _MASK
        found ^= found >> 29
    return found


def alike_names(parts: int) -> list[bytes]:
    """Names of which, of each part of 16 bytes, one difference takes back the other under one seed in four."""
    ends = [first + second for first in (b"aaaaaaaA", b"aaaaaaaa") for second in (b"aaaabaa!", b"aaaaaaaA")]
    return [b"".join(chosen) for chosen in itertools.product(ends, repeat=parts)]


def test_names_that_once_collided_under_any_seed_do_not(hashed: Hash) -> None:
    names, choose = alike_names(5), random.Random(1)
    for _ in range(8):
        seed = choose.getrandbits(64)
        before = Counter(former_hash(seed, name) for name in names)
        now = Counter(hashed(seed, choose.getrandbits(64), name, len(name)) for name in names)
        assert max(before.values()) >= 4
        assert max(now.values()) == 1


def former_slot(hour: int, shape: int, mask: int) -> int:
    """Where a group of the first company once began to look in its table, without any seed."""
    found = (hour << 32 | shape) * _FACTOR & _MASK
    found = (found ^ found >> 29) * _FACTOR & _MASK
    return found >> 32 & mask


def groups_of_few_slots(count: int) -> list[tuple[int, int]]:
    """(hour, shape) of so many groups that all began to look in the first slots of their table."""
    every = itertools.product(range(NOON // HOUR_MS - 840, NOON // HOUR_MS), range(1000))
    return sorted(every, key=lambda group: former_slot(*group, 2 * count - 1))[:count]


def chunk_of(groups: list[tuple[int, int]]) -> CleanChunk:
    shapes = [Shape("prompt.submitted", ("a", str(number))) for number in range(1000)]
    zeros, count = [0] * len(groups), len(groups)
    times, of = [hour * HOUR_MS for hour, _ in groups], [shape for _, shape in groups]
    return CleanChunk(
        CLEAN_VERSION, 0, count, 0, 0, "d", 0, ["c"], shapes, [b"u"], [b"s"],
        *map(column, (range(count), times, zeros, zeros, of, [-1] * count, zeros)),
    )  # fmt: skip


def cost(chunk: CleanChunk) -> float:
    began = time.process_time()
    pre_aggregate.pre_aggregate(chunk, 0, len(chunk.offsets), bytes(1000), bytes(1000))
    return time.process_time() - began


def test_groups_that_once_met_in_few_slots_cost_what_others_cost() -> None:
    """They cost many times as much before."""
    chosen = groups_of_few_slots(4096)
    choose = random.Random(2)
    others = list({(hour, choose.randrange(1000)) for hour, _ in chosen for _ in range(8)})
    choose.shuffle(others)
    chunks = chunk_of(chosen), chunk_of(others[: len(chosen)])
    assert [len(chunk.offsets) for chunk in chunks] == [4096, 4096]
    costs = [[cost(chunk) for chunk in chunks] for _ in range(15)]
    assert statistics.median(one / other for one, other in costs) < 4


# ---- past the bound of probes


def test_groups_past_the_bound_are_grouped_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = compiled("pre_aggregate", tmp_path, "-DMOST_PROBES=0").pre_aggregate
    chunk = chunk_of(groups_of_few_slots(1000))
    wanted = pre_aggregate.pre_aggregate(chunk, 0, 1000, bytes(1000), bytes(1000))
    columns = (chunk.times, chunk.company, chunk.shape, chunk.user, chunk.source, chunk.measures)
    assert crowded(columns, 0, 1000, bytes(1000), bytes(1000), bytes(1000), (1, 1, 1, 0)) is None
    assert pre_aggregate_columns is not None
    monkeypatch.setattr(pre_aggregate, "pre_aggregate_columns", crowded)
    assert pre_aggregate.pre_aggregate(chunk, 0, 1000, bytes(1000), bytes(1000)) == wanted


def test_names_past_the_bound_are_folded_record_by_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = compiled("fast_path", tmp_path, "-DMOST_PROBES=0")
    types = crowded.Types(tuple((kind.name, kind.allowed, ()) for kind in EVENT_TYPES.values() if kind.is_fast))
    monkeypatch.setattr(fast_path, "FastPath", lambda records, _: crowded.FastPath(list(records), types))
    events = [
        GOOD | {"id": f"{number}", "sequence": number, "source": f"s{number % 40}", "data": {"user": f"u{number}"}}
        for number in range(400)
    ]
    records = [RawRecord(number, NOON, b"acme", json.dumps(event).encode()) for number, event in enumerate(events)]
    ((count, chunk, *_),) = both(records, Deciding(), 0, 1, 1000)
    assert (count, len(chunk.offsets)) == (400, 400)
