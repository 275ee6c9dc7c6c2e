"""An output that is not empty without state says that events were lost, whichever output; nothing else does."""

from typing import Any

import pytest

from agents.core.accept.pseudonyms import Pseudonyms
from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.context import Context
from pipeline.worker.owner import Owner
from pipeline.worker.raw_owner import RawOwner
from schemas.flow import STAGES, Kind
from tests.control_kit import DIGEST, KEYS

OUTPUTS = [(kind, output) for kind, stage in STAGES.items() for output in stage.outputs]


class Ends:
    """Topics that are empty but for those with an end."""

    def __init__(self, **ends: int) -> None:
        self.ends = ends

    async def bounds(self, topic: str, _partition: int) -> tuple[int, int]:
        return 0, next((end for short, end in self.ends.items() if f".{short}." in topic), 0)


def owner_of(kind: Kind, *, accept_gap: bool = False, **ends: int) -> Owner[Any]:
    none: Any = None
    given: Any = Ends(**ends)
    context = Context(
        kind, load_settings(), none, none, given, none, lambda _: None, lambda _: None, accept_gap=accept_gap
    )
    if kind == "aggregate":
        return CleanOwner(context, 0, DIGEST)
    return RawOwner(context, 0, Pseudonyms(bytes(range(32))), KEYS, DIGEST)


@pytest.mark.parametrize(("kind", "output"), OUTPUTS)
async def test_an_output_without_state_is_refused_unless_the_gap_is_accepted(kind: Kind, output: str) -> None:
    with pytest.raises(
        StartupError, match=rf"events lost in .*footfall\.{output}\.v1 is not empty, yet there is no state"
    ):
        await owner_of(kind, **{output: 1})._look_for_position(fresh=True)
    await owner_of(kind, accept_gap=True, **{output: 1})._look_for_position(fresh=True)
    await owner_of(kind, **{output: 1})._look_for_position(fresh=False)


@pytest.mark.parametrize("kind", STAGES)
async def test_what_others_write_to_the_source_is_nothing_lost(kind: Kind) -> None:
    """Moved records and ticks go to raw too, of other partitions' owners: they say nothing of this one's state."""
    await owner_of(kind, **{STAGES[kind].source: 5})._look_for_position(fresh=True)
