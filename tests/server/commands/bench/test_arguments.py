"""The arguments of `hua bench`."""

from __future__ import annotations

import argparse

import pytest

from server.commands.bench.arguments import add_arguments


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_only_reads_house_as_service() -> None:
    assert parse("--only", "single", "house").only == ["single", "service"]
    assert parse("--only", "service").only == ["service"]


def test_only_refuses_unknown_part() -> None:
    with pytest.raises(SystemExit):
        parse("--only", "garage")
