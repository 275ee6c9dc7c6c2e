"""The fuzzer's own parts, and that it sees a fault: what ``make fuzz`` and ``make fuzz-faults`` do for longer."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.test_fast_path import NEEDS_COMPILER
from tests.fuzz import building, cases, changes, comparing, faults, seeds
from tests.fuzz.__main__ import Run
from tests.fuzz.target import Kept

pytestmark = NEEDS_COMPILER
MOST = 8192


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    seeds.write(folder)
    return folder


@pytest.fixture
def inputs(begin: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted(begin.iterdir()))


def test_seeds_of_every_kind_come_to_the_same_in_both_forms(inputs: Iterator[bytes]) -> None:
    kinds = set()
    for data in inputs:
        kinds.add(data[0])
        cases.check(data)
    assert kinds == {cases.RECORDS, cases.BATCHES, cases.TALLY, cases.COLUMNS}


def test_any_bytes_are_a_case() -> None:
    choose = random.Random(1)
    for kind in range(256):
        cases.check(bytes([kind]) + choose.randbytes(choose.randrange(60)))
    cases.check(b"")


def test_a_form_that_differs_is_told(inputs: Iterator[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "pre_aggregate_in_python", lambda *_: None)
    found = [each for each in inputs if each[0] == cases.TALLY]
    with pytest.raises(comparing.DifferenceError, match="groups"):
        [cases.check(data) for data in found]  # some of them are no chunk, whatever form is asked


def test_changed_inputs_stay_within_their_size_and_are_cases(inputs: Iterator[bytes]) -> None:
    changed = changes.changing(lambda data, most: data[:most])
    other = 0
    for number, data in enumerate(inputs):
        found = changed(data, MOST, number)
        assert found == changed(data, MOST, number)
        assert len(found) <= MOST
        other += found != data
        cases.check(found)
    assert other > 50


def test_each_fault_is_of_a_text_that_stands_once() -> None:
    for fault in faults.FAULTS:
        source = building.ROOT.joinpath(*fault.module.split(".")).with_name(fault.file)
        assert source.read_text().count(fault.text) == 1, fault.name


@pytest.mark.parametrize("name", ["a number's bytes are not bounded", "users are not bounded"])
def test_a_fault_is_found_under_the_sanitizers(name: str, begin: Path, tmp_path: Path) -> None:
    (fault,) = (each for each in faults.FAULTS if each.name == name)
    environment = building.environment(faults.faulty(fault, tmp_path))
    paths = [path for path in begin.iterdir() if path.read_bytes()[0] in {cases.TALLY, cases.COLUMNS}]
    command = [sys.executable, "-m", "tests.fuzz.target", str(tmp_path / "input"), "--repeat", *map(str, paths)]
    ended = subprocess.run(
        command, env=environment, cwd=building.ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=300
    )
    assert ended.returncode == 1
    assert "heap-buffer-overflow" in ended.stderr or "DifferenceError" in ended.stderr
    assert Kept.read(tmp_path / "input") in {path.read_bytes() for path in paths}


def test_what_the_engine_tells_is_read() -> None:
    run = Run(seconds=2)
    run.read("#8192\tpulse  cov: 1234 ft: 5000 corp: 200/150Kb lim: 4096 exec/s: 100 rss: 200Mb")
    run.read("INFO: Seed: 1")
    assert (run.inputs, run.places, run.kept, run.size, [*run.said]) == (8192, 1234, 200, "150Kb", ["INFO: Seed: 1"])
    assert str(run).startswith("2 s: 8,192 inputs, 4,096 a second, 1,234 places")
