"""The queue: live state that may be lost at any moment. `memory` and `redis` implement its protocol."""

from server.queue.protocol import COURTESY_S as COURTESY_S
from server.queue.protocol import FETCHING_PAUSE_S as FETCHING_PAUSE_S
from server.queue.protocol import HEARTBEAT_S as HEARTBEAT_S
from server.queue.protocol import LEAD_S as LEAD_S
from server.queue.protocol import LEASE_S as LEASE_S
from server.queue.protocol import LOCK_S as LOCK_S
from server.queue.protocol import DueCallback as DueCallback
from server.queue.protocol import GroupView as GroupView
from server.queue.protocol import Lease as Lease
from server.queue.protocol import LineView as LineView
from server.queue.protocol import MissingView as MissingView
from server.queue.protocol import Overview as Overview
from server.queue.protocol import Progress as Progress
from server.queue.protocol import Queue as Queue
from server.queue.protocol import QueueIncompleteError as QueueIncompleteError
from server.queue.protocol import QueueUnavailableError as QueueUnavailableError
from server.queue.protocol import RateLimitError as RateLimitError
from server.queue.protocol import TaskLimitError as TaskLimitError
from server.queue.protocol import Verdict as Verdict
from server.queue.protocol import View as View
from server.queue.protocol import WorkerView as WorkerView
