"""Task types are tested on the engine that runs them."""

from tests.pipelines.engine.conftest import engine, shelf, toys

__all__ = ["engine", "shelf", "toys"]
