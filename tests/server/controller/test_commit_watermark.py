import asyncio

from hypothesis import given
from hypothesis import strategies as st

from server.broker import Position
from server.controller.commit_watermark import Commits, Watermark


@given(st.data())
def test_watermark_stays_below_unsettled_records(data: st.DataObject) -> None:
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
def test_watermark_allows_records_during_settling(moves: list[bool]) -> None:
    watermark, offset, waiting = Watermark(), 0, []
    for arrives in moves:
        if arrives or not waiting:
            offset += 1
            waiting.append(Position(0, offset))
            watermark.add(waiting[-1])
        else:
            assert watermark.done(waiting.pop(0)) is not None
    assert not watermark._done  # private: nothing public shows that memory is freed


async def test_commits_never_go_backwards_and_are_batched() -> None:
    committed: list[int] = []
    free = asyncio.Event()

    async def commit(position: Position) -> None:
        await free.wait()
        committed.append(position.offset)

    commits, positions = Commits(commit), [Position(0, offset) for offset in range(10)]
    for position in positions:
        commits.add(position)
    under_way = [asyncio.create_task(commits.done([position])) for position in positions]
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(*under_way)
    assert committed == [0, 9]


async def test_canceled_commit_is_made_by_the_next() -> None:
    committed: list[int] = []

    async def commit(position: Position) -> None:
        await asyncio.sleep(0)
        committed.append(position.offset)

    commits = Commits(commit)
    commits.add(Position(0, 7))
    cut_off = asyncio.create_task(commits.done([Position(0, 7)]))
    await asyncio.sleep(0)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    assert committed == []
    await commits.done([])
    assert committed == [7]
