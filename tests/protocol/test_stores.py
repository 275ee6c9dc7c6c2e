"""The protocol with the owners' state in a store: exact under every schedule, as without one."""

from pathlib import Path

import pytest

from tests.core.stores import stores
from tests.protocol.schedules import made, small_batches

SCHEDULES = [*((seed, "memory") for seed in range(2000, 2030)), *((seed, "rocksdb") for seed in range(2030, 2036))]


@pytest.mark.parametrize(("seed", "kind"), SCHEDULES)
def test_any_schedule_equals_the_oracle_over_a_store(seed: int, kind: str, tmp_path: Path) -> None:
    with small_batches(), stores(kind, tmp_path, hot=seed % 3) as store:
        assert made(seed, lambda _partition: store())[1] == []
