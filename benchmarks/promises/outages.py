"""Tasks while Kafka or S3 is down for a minute."""

from __future__ import annotations

import asyncio
import time

from benchmarks.promises.trial import Answer, Trial, TrialResult, accepted_ids, count_statuses, open_trial

DOWN_S, AROUND_S = 60.0, 5.0
PATIENCE_S = 6.0


async def broker(scale: float) -> TrialResult:
    """Kills Kafka under 20 submissions per second, and restarts it a minute later."""
    async with open_trial() as trial:
        down_s, kafka = DOWN_S * scale, trial.deployment.kafka
        assert kafka is not None
        submissions = asyncio.create_task(trial.submit_steadily(20, down_s + 4 * AROUND_S))
        await asyncio.sleep(AROUND_S)
        await asyncio.to_thread(kafka.stop)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(kafka.start)
        answers = await submissions
        lost = await _lost(trial, answers)
    slowest = max(answer.duration_s for answer in answers)
    refused = [answer for answer in answers if answer.status not in {200, 202}]
    return TrialResult(
        f"{count_statuses(answers)}; of the accepted {lost} lost; slowest answer {slowest:.1f} s",
        not lost and all(answer.status == 503 for answer in refused) and slowest <= PATIENCE_S,
    )


async def bucket(scale: float) -> TrialResult:
    """Stops S3 for a minute under 10 tasks per second."""
    async with open_trial() as trial:
        down_s, s3 = DOWN_S * scale, trial.deployment.s3
        assert s3 is not None
        before = asyncio.create_task(trial.submit_steadily(10, AROUND_S + down_s))
        await asyncio.sleep(AROUND_S)
        await asyncio.to_thread(s3.stop)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(s3.start)
        back = time.monotonic()
        after = asyncio.create_task(trial.submit_steadily(10, down_s))
        answers = await before
        views = await trial.wait_until_ended(accepted_ids(answers))
        drained_s = time.monotonic() - back
        answers += await after
        lost = await _lost(trial, answers)
        failed = sum(view["status"] != "succeeded" for view in views.values())
    return TrialResult(
        f"{count_statuses(answers)}; {lost} lost, {failed} failed; the backlog ended {drained_s:.0f} s "
        f"after S3 was back, outage {down_s:.0f} s",
        not lost and not failed and drained_s <= 2 * down_s,
    )


async def _lost(trial: Trial, answers: list[Answer]) -> int:
    ids = accepted_ids(answers)
    return len(ids) - len(await trial.wait_until_ended(ids))
