import subprocess
import sys

import pytest

from server.observability import tracing
from server.observability.tracing import record_span, set_up_traces, span, traceparent
from server.settings import Settings, SettingsError
from server.tasks.submission import Submission, submit


def test_sdk_is_not_imported_while_traces_are_off() -> None:
    """FastAPI itself imports the bare API of OpenTelemetry."""
    code = (
        "import sys, server.api.app, server.worker.worker, server.controller, server.roles; "
        "print(*[name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_span_without_traces_gives_tasks_no_traceparent(services) -> None:
    set_up_traces(Settings(), "api")()
    with span("work", parent=f"00-{'1' * 32}-{'2' * 16}-01", task="a") as current:
        current.set_attribute("status", 1)
        record_span("earlier", 0.0, 1.0)
        assert traceparent(current) == traceparent() == ""
    view = await submit(services, Submission("txt2img.sd", {"text": "x"}, tenant="a"))
    assert view.task.traceparent == ""


def test_span_lets_errors_pass() -> None:
    with pytest.raises(KeyError), span("work"):
        raise KeyError


def test_setting_without_sdk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "server.observability.trace_export", None)
    with pytest.raises(SettingsError, match=r"install hua\[traces\]"):
        set_up_traces(Settings(traces="http://127.0.0.1:1"), "api")
    assert not tracing.tracing()
