"""The most recently ended tasks; the others are in the bucket."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection

from server.queue import View


class FinishedTasks:
    """At most `most` views, by task and by tenant; the oldest are dropped first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._views: OrderedDict[str, View] = OrderedDict()
        self._by_tenant: defaultdict[str, dict[str, View]] = defaultdict(dict)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._views

    def __len__(self) -> int:
        return len(self._views)

    def put(self, view: View) -> None:
        self._views[view.task.id] = view
        self._by_tenant[view.task.tenant][view.task.id] = view
        if len(self._views) > self._most:
            self._forget(*self._views.popitem(last=False))

    def get(self, task_id: str) -> View | None:
        return self._views.get(task_id)

    def of(self, tenant: str) -> Collection[View]:
        return self._by_tenant[tenant].values() if tenant in self._by_tenant else ()

    def _forget(self, task_id: str, view: View) -> None:
        same_tenant = self._by_tenant[view.task.tenant]
        del same_tenant[task_id]
        if not same_tenant:
            del self._by_tenant[view.task.tenant]
