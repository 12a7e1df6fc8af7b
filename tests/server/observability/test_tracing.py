import subprocess
import sys

import pytest

from server.observability import tracing
from server.observability.tracing import past, set_up_traces, span, traceparent
from server.settings import Settings, SettingsError
from server.tasks.submission import Submission, submit


def test_no_sdk_is_imported_while_traces_are_off() -> None:
    """FastAPI imports the bare API of OpenTelemetry by itself."""
    code = (
        "import sys, server.api.app, server.worker.worker, server.controller, server.roles; "
        "print(*[name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_off_a_span_is_nothing_and_tasks_belong_to_no_trace(services) -> None:
    set_up_traces(Settings(), "api")()
    with span("work", task="a") as here:
        here.say("other", status=1)
        past("earlier", 0.0, 1.0)
        assert here.traceparent == traceparent() == ""
    view = await submit(services, Submission("txt2img.sd", {"text": "x"}, tenant="a"))
    assert view.task.traceparent == ""


def test_an_error_passes_through_a_span() -> None:
    with pytest.raises(KeyError), span("work"):
        raise KeyError


def test_without_opentelemetry_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "server.observability.otel", None)
    with pytest.raises(SettingsError, match=r"install hua\[traces\]"):
        set_up_traces(Settings(traces="http://127.0.0.1:1"), "api")
    assert not tracing.tracing()
