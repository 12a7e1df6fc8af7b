"""Short leases and pauses, so that recovery takes seconds instead of minutes.

`apply` must come before anything else of the server is imported, for modules take these numbers with them.
"""

from __future__ import annotations

LEASE_S, HEARTBEAT_S, LEAD_S, HIDDEN_S = 2.0, 0.4, 2.0, 5.0
FIRST_PAUSES_S, LATER_PAUSES_S = (0.3,) * 9, (2.0,) * 60
CONNECTION_WAIT_S, BUSY_PAUSE_S, SAVE_PAUSES_FROM_S = 2.0, 1.0, 1.0


def apply() -> None:
    import server.queue

    server.queue.LEASE_S, server.queue.HEARTBEAT_S, server.queue.LEAD_S = LEASE_S, HEARTBEAT_S, LEAD_S

    import server.queue.memory.callbacks

    server.queue.memory.callbacks.HIDDEN_S = HIDDEN_S

    from server.egress import connection_slots

    connection_slots.WAIT_S = CONNECTION_WAIT_S

    from server.controller import callbacks

    callbacks.FIRST_PAUSES_S, callbacks.LATER_PAUSES_S = FIRST_PAUSES_S, LATER_PAUSES_S
    callbacks.BUSY_PAUSE_S, callbacks.SAVE_PAUSES_FROM_S = BUSY_PAUSE_S, SAVE_PAUSES_FROM_S
