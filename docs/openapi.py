"""`python -m docs.openapi FILE`: writes the OpenAPI document of the API, from which clients' types are generated."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from server.api.app import create_app
from server.services import Services
from server.settings import Settings


def main(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), models_dir=Path(folder))
        document = create_app(Services.from_settings(settings)).openapi()
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
