"""`hua preflight`: checks everything that Hua needs, before it is started, and says what to fix."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from server.commands.preflight import machine, stores, weights
from server.commands.preflight.finding import Finding
from server.commands.preflight.tools import check_tools
from server.commands.preflight.words import check_words
from server.settings import Settings

Check = Callable[[Settings], Iterable[Finding]]


def findings(settings: Settings, *, device: bool = True, sums: bool = True) -> Iterator[Finding]:
    """Runs the checks one after another. None raises: a check that fails itself is a finding too."""
    from server.commands.preflight.kafka import check_kafka

    checks: list[tuple[str, Check]] = [
        *([("device", machine.check_device)] if device else []),
        ("memory", machine.check_memory),
        ("data folder", machine.check_data_dir),
        ("port", machine.check_port),
        ("models", partial(weights.check_models, sums=sums)),
        ("secret", machine.check_secret),
        ("tenants", machine.check_tenants),
        ("word lists", check_words),
        ("tools", check_tools),
        ("kafka", check_kafka),
        ("redis", stores.check_queue),
        ("bucket", stores.check_bucket),
    ]
    for name, check in checks:
        try:
            yield from check(settings)
        except Exception as error:
            yield Finding(name, "fail", f"{type(error).__name__}: {error}", "this check itself failed; report it")


def table(results: Sequence[Finding]) -> str:
    """A line per finding, and below it what to do."""
    width = max(len(finding.check) for finding in results)
    lines = []
    for finding in results:
        lines.append(f"{finding.check:{width}}  {finding.result:7}  {finding.message}")
        if finding.advice:
            lines.append(f"{'':{width}}  {'':7}  → {finding.advice}")
    return "\n".join(lines)


def as_json(results: Sequence[Finding]) -> str:
    return json.dumps([finding.plain for finding in results], indent=1, ensure_ascii=False)
