"""What ``doctor`` makes of what it was told; the real brokers and workers are in tests/broker/test_doctor.py."""

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from typer.testing import CliRunner

from agents.core.native import IS_BUILT
from pipeline.cli.main import app
from pipeline.doctor import Finding, Verdict, examine, running
from pipeline.doctor.findings import found
from pipeline.doctor.rejections import judged
from pipeline.doctor.running import _Group, _judged, _Place, workers
from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings
from schemas.reasons import Reason
from tests.web import answering

pytestmark = pytest.mark.usefixtures("no_settings")
DONE = _Place(True, 10, 10, 10, 0)
BEHIND = _Place(True, 7, 10, 10, 3)


def test_without_a_broker_the_rest_is_not_checked() -> None:
    findings = {each.check: each.verdict for each in asyncio.run(examine(load_settings()))}
    assert findings.pop("broker") is Verdict.WRONG
    assert findings.pop("compiled part") is (Verdict.FINE if IS_BUILT else Verdict.WARNING)
    local = {"settings", "pseudonym key", "control key", "data folder"}
    assert {findings.pop(check) for check in local} == {Verdict.FINE}
    assert set(findings.values()) == {Verdict.SKIPPED}
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


def test_a_bad_setting_is_the_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_PARTITIONS", "none")
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == 1
    assert "FOOTFALL_PARTITIONS" in shown.output
    assert "broker" not in shown.output


def test_a_data_folder_that_cannot_be_used_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    findings = {each.check: each for each in asyncio.run(examine(load_settings(data_dir="file/below")))}
    assert findings["data folder"].verdict is Verdict.WRONG
    assert "FOOTFALL_DATA_DIR" in findings["data folder"].mend


@pytest.mark.parametrize("error", [StartupError("this", "that"), TopicAuthorizationFailedError("x"), OSError(24, "x")])
async def test_what_stops_a_check_is_its_finding(error: Exception) -> None:
    async def look() -> Finding:
        raise error

    finding = await found("check", look)
    assert (finding.check, finding.verdict) == ("check", Verdict.WRONG)
    assert finding.mend


@pytest.mark.parametrize(
    ("group", "verdict", "said"),
    [
        (_Group("anonymize", 1, {0: DONE, 1: DONE}, (), ()), Verdict.FINE, "1 worker, at the end"),
        (_Group("anonymize", 2, {0: DONE, 1: BEHIND}, (), ()), Verdict.FINE, "2 workers, 3 offsets behind"),
        (_Group("anonymize", 2, {0: DONE, 1: BEHIND}, {1}, ()), Verdict.WRONG, "partition 1 stands still at offset 7"),
        (_Group("aggregate", 0, {0: DONE}, (), ()), Verdict.WARNING, "nothing is left"),
        (_Group("aggregate", 0, {0: DONE, 1: BEHIND}, {1}, ()), Verdict.WRONG, "3 offsets are left"),
        (_Group("aggregate", 0, {0: BEHIND._replace(begun=False)}, {0}, ()), Verdict.WARNING, "3 offsets are left"),
        (
            _Group("anonymize", 1, {0: BEHIND._replace(written=40)}, {0}, {0}),
            Verdict.WRONG,
            "an open transaction holds partition 0 at offset 10: 30 offsets",
        ),
    ],
)
def test_a_group_is_red_where_it_stands_still(group: _Group, verdict: Verdict, said: str) -> None:
    finding = _judged(group)
    assert (finding.check, finding.verdict) == (f"group {group.kind}", verdict)
    assert said in finding.found


@pytest.mark.parametrize(
    ("counted", "reasons", "verdict"),
    [
        (0, {}, Verdict.FINE),
        (1000, {}, Verdict.FINE),
        (1000, {Reason.BAD_FIELD: 20}, Verdict.FINE),
        (1000, {Reason.DUPLICATE: 5000, Reason.NO_CONSENT: 5000}, Verdict.FINE),
        (1000, {Reason.BAD_FIELD: 30, Reason.NOT_JSON: 30}, Verdict.WARNING),
        (1000, {Reason.FORGED_CONTROL: 1}, Verdict.WARNING),
        (1000, {Reason.UNREADABLE: 1}, Verdict.WARNING),
        (0, {Reason.BAD_FIELD: 9}, Verdict.WARNING),
        (10, {Reason.BAD_FIELD: 10}, Verdict.WRONG),
    ],
)
def test_rejections_are_red_where_they_are_half_of_all(
    counted: int, reasons: dict[Reason, int], verdict: Verdict
) -> None:
    assert judged(counted, Counter(reasons)).verdict is verdict


def pages(status: int, body: bytes, metrics: bytes = b"") -> AbstractContextManager[str]:
    """``host:port`` of something that answers ``/readyz`` and ``/metrics`` so."""
    return answering(lambda path: (200, metrics) if path == "/metrics" else (status, body))


@pytest.mark.parametrize(
    ("status", "body", "metrics", "verdict", "said"),
    [
        (200, b"ready\n", b"footfall_books_unbalanced_total 0.0\n", Verdict.FINE, "ready"),
        (200, b"ready\n", b"footfall_books_unbalanced_total 2.0\n", Verdict.WRONG, "do not balance"),
        (503, b"partitions 3 stand still [red]\x1b[2J\n", b"", Verdict.WRONG, "not ready: partitions 3 stand still"),
        (404, b"", b"", Verdict.WRONG, "no worker"),
    ],
)
async def test_a_named_worker_is_asked(status: int, body: bytes, metrics: bytes, verdict: Verdict, said: str) -> None:
    with pages(status, body, metrics) as address:
        (finding,) = await workers(load_settings(workers=address))
    assert finding.check == f"worker at {address}"
    assert finding.verdict is verdict
    assert said in finding.found
    assert "\x1b" not in finding.found


async def test_a_named_worker_that_is_away_is_wrong_and_one_that_may_be_there_is_not_checked() -> None:
    with pages(404, b"") as elsewhere:
        port = int(elsewhere.rpartition(":")[2])
        (other,) = await workers(load_settings(metrics_port=port, metrics_host="0.0.0.0"))
    assert other.verdict is Verdict.SKIPPED
    (named,) = await workers(load_settings(workers=elsewhere))
    assert named.verdict is Verdict.WRONG
    (guessed,) = await workers(load_settings(metrics_port=port))
    assert guessed.verdict is Verdict.SKIPPED
    assert "FOOTFALL_WORKERS" in guessed.mend


async def test_the_worker_at_the_usual_place_and_those_of_up_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pages(200, b"ready\n") as address:
        (usual,) = await workers(load_settings(metrics_port=int(address.rpartition(":")[2])))
        assert (usual.check, usual.verdict) == (f"worker at {address}", Verdict.FINE)
        asked: list[Path] = []
        monkeypatch.setattr(running, "noted_workers", lambda folder, _: asked.append(folder) or [address, address])
        assert len(await workers(load_settings(data_dir=tmp_path / "data"))) == 4
        assert asked == [tmp_path / "data" / "up", tmp_path / "data" / "up-secure"]
