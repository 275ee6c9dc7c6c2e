"""What is wrong with a number of partitions, and that no advice raises it."""

import pytest

from agents.core.shared.joins import FormerStateError, OtherPartitionsError, StateError
from pipeline.broker.begun import known_chunk, refused_partitions, refused_state
from pipeline.errors import StartupError

PREFIX = "take a new FOOTFALL_TOPIC_PREFIX"


@pytest.mark.parametrize(
    ("there", "setting", "pinned", "words"),
    [
        ({}, 8, None, None),
        ({"raw": 4, "clean": 4}, 4, None, None),
        ({"raw": 4, "clean": 4}, 4, 4, None),
        ({"raw": 4, "clean": 4}, 8, None, "have 4 partitions, not 8"),
        ({"raw": 4, "clean": 4}, 8, 4, "set FOOTFALL_PARTITIONS=4 for every worker and command"),
        ({"raw": 6, "clean": 4}, 4, 4, f"raw has 6 partitions, yet figures were begun with 4.*{PREFIX}"),
        ({"raw": 6, "clean": 4}, 6, 4, f"raw has 6 partitions, yet figures were begun with 4.*{PREFIX}"),
        ({"raw": 6, "clean": 6}, 6, 4, f"clean has 6 partitions, yet figures were begun with 4.*{PREFIX}"),
        ({"raw": 6, "clean": 6}, 4, 4, f"begun with 4.*{PREFIX}"),
        ({"raw": 6, "clean": 4}, 4, None, f"different numbers of partitions.*clean 4, raw 6.*{PREFIX}"),
    ],
)
def test_what_is_wrong_with_a_number_of_partitions(
    there: dict[str, int], setting: int, pinned: int | None, words: str | None
) -> None:
    refusal = refused_partitions(there, setting, pinned)
    if words is None:
        assert refusal is None
    else:
        with pytest.raises(type(refusal) if refusal else Exception, match=words):
            raise refusal or AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FormerStateError("x"), f"fold version 2.*{PREFIX}"),
        (OtherPartitionsError(4), f"8 partitions, yet figures were begun with 4.*{PREFIX}"),
        (
            StateError("a key of no known kind"),
            "topic partition 3 cannot be read .a key of no known kind.: use the release",
        ),
    ],
)
def test_state_that_is_not_gone_on_with(error: StateError, words: str) -> None:
    with pytest.raises(Exception, match=words):
        raise refused_state(error, "topic", 3, 8)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\x91\x01", f"fold version 2.*{PREFIX}"),
        (b"\x91\x07", "a clean chunk of version 7, not .*: start the release that wrote it, or a later one"),
        (b"\x90", "topic partition 3 offset 8 cannot be read .a record is no clean chunk.*find out who else writes"),
        (None, "no clean chunk"),
    ],
)
def test_a_record_in_clean_that_is_no_chunk_of_this_release(value: bytes | None, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        known_chunk(value, "topic", 3, 8)
