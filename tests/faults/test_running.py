"""What surrounds the faults: the draw, the command, the clock that a worker is given, the previous release."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.mixes import MixResult, draw_mix
from tests.faults.running import Ran
from tests.faults.troubles import CLUSTER, SINGLE
from tests.faults.troubles.machines import CLOCK
from tests.faults.troubles.releases import NoHistoryError, previous_release


def test_a_seed_repeats_its_mix_and_every_fault_is_drawn() -> None:
    mixes = [draw_mix(seed) for seed in range(300)]
    assert mixes == [draw_mix(seed) for seed in range(300)]
    assert {name for mix in mixes for name in mix.troubles} == set(CLUSTER)
    assert {name for mix in mixes if mix.nodes == 1 for name in mix.troubles} == set(SINGLE)


@pytest.mark.parametrize(("text", "seeds"), [("3", [1, 2, 3]), ("10-12", [10, 11, 12]), ("=7", [7])])
def test_seeds_are_a_count_a_range_or_one(text: str, seeds: list[int]) -> None:
    assert [*command.seeds_of(text)] == seeds


@pytest.mark.parametrize("text", ["x", "", "=x", "3-", "5-4"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(SystemExit, match="SEEDS is a count"):
        command.seeds_of(text)


def test_a_mix_that_fails_names_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = MixResult(7, 1, "memory", ["poison"], counted=5, in_flight=1)
    wrong = MixResult(8, 3, "memory", ["poison", "slow_link"], error="AssertionError: (1, 2)")
    monkeypatch.setattr(command, "run_all", lambda _mixes, _jobs: [Ran(right, tmp_path, ""), Ran(wrong, tmp_path, "…")])
    monkeypatch.setattr(sys, "argv", ["faults", "7-8", "--report", str(tmp_path / "mixes.jsonl")])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "make faults SEEDS==8" in told
    assert "make faults SEEDS==7" not in told
    lines = [json.loads(line) for line in (tmp_path / "mixes.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["error"]) for line in lines] == [(7, ""), (8, "AssertionError: (1, 2)")]


def test_the_clock_that_a_worker_is_given_steps_in_mid_run(tmp_path: Path) -> None:
    file = tmp_path / "off"
    file.write_text("-3600")
    program = "import time; print(time.time(), flush=True); input(); print(time.time())"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(CLOCK), "CLOCK_FILE": str(file)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as asked:
        assert asked.stdout is not None
        before = float(asked.stdout.readline()) - time.time()
        file.write_text("3600")
        after = float(asked.communicate("\n")[0]) - time.time()
    assert -3700 < before < -3590
    assert 3500 < after < 3610


def test_the_previous_release_is_other_code(tmp_path: Path) -> None:
    try:
        previous_release(tmp_path)
    except NoHistoryError:
        pytest.skip("this checkout has no history, so there is no previous release")
    here = Path(__file__).parents[2]
    then, now = _code(tmp_path), {name: text for top in _tops(tmp_path) for name, text in _code(here, top).items()}
    assert then != now
    assert (tmp_path / "pipeline" / "app.py").exists()


def _tops(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _code(folder: Path, top: str = "") -> dict[str, bytes]:
    """Name to text of the Python files below a folder, of one folder in it alone where one is named."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / top).rglob("*.py")}


def test_a_small_disk_is_full_soon_and_nobody_else_sees_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.faults.disks import mount_small_disks\n"
        "folder = Path(sys.argv[1]) / 'disk'; mount_small_disks([folder])\n"
        "try: (folder / 'filler').write_bytes(bytes(300 << 20))\n"
        "except OSError as error: print(error.errno, (folder / 'filler').stat().st_size >> 20)"
    )
    here = Path(__file__).parents[2]
    asked = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(asked, cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.ENOSPC), "200"]
    assert [*(tmp_path / "disk").iterdir()] == []
