from hypothesis import given
from hypothesis import strategies as st

from server.broker import Position
from server.controller.watermark import Watermark


@given(st.data())
def test_nothing_is_committed_beyond_what_is_unsettled(data: st.DataObject) -> None:
    """I2, in any order of settling, with gaps between offsets, over several partitions."""
    watermark, settled, committed = Watermark(), set(), {}
    partitions = data.draw(st.lists(st.lists(st.integers(1, 1000), unique=True, max_size=20), max_size=3))
    added = [Position(number, offset) for number, offsets in enumerate(partitions) for offset in sorted(offsets)]
    for position in added:
        watermark.add(position)
    for position in data.draw(st.permutations(added)):
        settled.add(position)
        reached = watermark.done(position)
        if reached is not None:
            assert reached.partition == position.partition
            assert reached > committed.get(reached.partition, Position(reached.partition, 0))
            committed[reached.partition] = reached
        same = [each for each in added if each.partition == position.partition]
        lowest = min((each for each in same if each not in settled), default=None)
        below = [each for each in same if lowest is None or each < lowest]
        assert committed.get(position.partition) == (max(below) if below else None)


@given(st.lists(st.booleans(), max_size=60))
def test_records_may_come_while_others_are_settled(moves: list[bool]) -> None:
    watermark, offset, waiting = Watermark(), 0, []
    for arrives in moves:
        if arrives or not waiting:
            offset += 1
            waiting.append(Position(0, offset))
            watermark.add(waiting[-1])
        else:
            assert watermark.done(waiting.pop(0)) is not None
    assert not watermark._done
