from prometheus_client.parser import text_string_to_metric_families

from server.metrics import exposition
from server.queue import Overview, WorkerView


def samples(overview: Overview) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(exposition(overview).decode())
    return {(one.name, one.labels.get("state", "")): one.value for family in families for one in family.samples}


def test_the_queue_is_told_as_it_is_now():
    workers = (WorkerView("a", "cpu"), WorkerView("b", "cpu", state="draining"))
    told = samples(Overview(queued=3, running=2, queued_cost=4.5, workers=workers))
    assert told["hua_tasks_queued", ""] == 3
    assert told["hua_tasks_running", ""] == 2
    assert told["hua_queued_cost", ""] == 4.5
    assert told["hua_workers", "ready"] == told["hua_workers", "draining"] == 1
    assert samples(Overview(0, 0, 0.0))["hua_workers", "ready"] == 0
