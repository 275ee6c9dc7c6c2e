"""For how long a partition may be held by an open transaction."""

from pipeline.worker.held import HELD_SECONDS, Held


def test_it_is_too_long_once_the_readable_end_stands_still_before_the_whole_one() -> None:
    now = [100.0]
    held = Held(lambda: now[0])
    assert not held.look(5, 5)
    now[0] += 1000
    assert not held.look(5, 9)  # nothing was held before
    assert (held.records, held.too_long) == (4, False)
    now[0] += HELD_SECONDS - 0.1
    assert not held.look(5, 12)
    now[0] += 0.1
    assert held.too_long
    assert held.look(5, 12)
    assert not held.look(5, 13)  # told before
    assert not held.look(6, 13)  # it has moved on: another one
    assert not held.too_long
    now[0] += HELD_SECONDS
    assert held.look(6, 13)
    assert not held.look(13, 13)
    assert (held.records, held.too_long) == (0, False)
