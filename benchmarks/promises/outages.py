"""What happens to tasks while Kafka or S3 is away for a minute."""

from __future__ import annotations

import asyncio
import time

from benchmarks.promises.trial import Answer, Figure, Trial, accepted, told, trial

DOWN_S, AROUND_S = 60.0, 5.0
PATIENCE_S = 6.0


async def broker(scale: float) -> Figure:
    """Kills Kafka under 20 submissions a second, and starts it again a minute later."""
    async with trial() as one:
        down_s = DOWN_S * scale
        asking = asyncio.create_task(one.steadily(20, down_s + 4 * AROUND_S))
        await asyncio.sleep(AROUND_S)
        await asyncio.to_thread(one.deployment.kafka.stop)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(one.deployment.kafka.start)
        answers = await asking
        lost = await _lost(one, answers)
    slowest = max(answer.took_s for answer in answers)
    refused = [answer for answer in answers if answer.status not in {200, 202}]
    return Figure(
        f"{told(answers)}; of the accepted {lost} lost; slowest answer {slowest:.1f} s",
        not lost and all(answer.status == 503 for answer in refused) and slowest <= PATIENCE_S,
    )


async def bucket(scale: float) -> Figure:
    """Stops S3 for a minute under 10 tasks a second."""
    async with trial() as one:
        down_s = DOWN_S * scale
        before = asyncio.create_task(one.steadily(10, AROUND_S + down_s))
        await asyncio.sleep(AROUND_S)
        await asyncio.to_thread(one.deployment.s3.stop)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(one.deployment.s3.start)
        back = time.monotonic()
        after = asyncio.create_task(one.steadily(10, down_s))
        answers = await before
        views = await one.ended(accepted(answers))
        drained_s = time.monotonic() - back
        answers += await after
        lost = await _lost(one, answers)
        failed = sum(view["status"] != "succeeded" for view in views.values())
    return Figure(
        f"{told(answers)}; {lost} lost, {failed} failed; what had come until S3 was back had ended {drained_s:.0f} s "
        f"later, outage {down_s:.0f} s",
        not lost and not failed and drained_s <= 2 * down_s,
    )


async def _lost(one: Trial, answers: list[Answer]) -> int:
    ids = accepted(answers)
    return len(ids) - len(await one.ended(ids))
