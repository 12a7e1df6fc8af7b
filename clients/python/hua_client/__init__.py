"""The Python client of Hua, a self-hosted Stable Diffusion server."""

from hua_client.async_client import AsyncHua, AsyncImage, AsyncTask
from hua_client.base_task import BaseTask, ImageInfo, TaskInfo
from hua_client.callbacks import verify_callback
from hua_client.calls import Options
from hua_client.client import Hua, Image, Task
from hua_client.errors import (
    ApiError,
    BadCallbackError,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    GoneError,
    HuaError,
    InvalidRequestError,
    LimitError,
    NotFoundError,
    ServerError,
    TaskCanceledError,
    TaskError,
    TaskFailedError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
    WithheldError,
)
from hua_client.events import Ended, Event, Preview, Progress, Queued, Running
from hua_client.inputs import ImageInput
from hua_client.models import Model

__all__ = [
    "ApiError",
    "AsyncHua",
    "AsyncImage",
    "AsyncTask",
    "BadCallbackError",
    "BaseTask",
    "ConflictError",
    "ConnectionFailedError",
    "Ended",
    "Event",
    "ForbiddenError",
    "GoneError",
    "Hua",
    "HuaError",
    "Image",
    "ImageInfo",
    "ImageInput",
    "InvalidRequestError",
    "LimitError",
    "Model",
    "NotFoundError",
    "Options",
    "Preview",
    "Progress",
    "Queued",
    "Running",
    "ServerError",
    "Task",
    "TaskCanceledError",
    "TaskError",
    "TaskFailedError",
    "TaskInfo",
    "UnauthorizedError",
    "UnavailableError",
    "WaitTimeoutError",
    "WithheldError",
    "verify_callback",
]
