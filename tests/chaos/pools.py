"""Which worker has which models: all have one in common, and those with an even number another one than the others."""

from __future__ import annotations

from pathlib import Path

COMMON, OWN = "toy", ("left", "right")
EVERY = (COMMON, *OWN)


def own_model(worker: int) -> str:
    """The model that workers with this number have besides COMMON."""
    return OWN[worker % len(OWN)]


def served(workers: int) -> tuple[str, ...]:
    """The models that this many workers have."""
    return (COMMON, *OWN[:workers])


def folder_of(models: Path, worker: int) -> Path:
    """The models folder of a worker, beside that of the api."""
    return models.with_name(f"{models.name}-{own_model(worker)}")


def write_folders(models: Path) -> None:
    """The folder of the api and the controllers, and those of workers."""
    write_folder(models, EVERY)
    for number in range(len(OWN)):
        write_folder(folder_of(models, number), (COMMON, own_model(number)))


def write_folder(folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir()
    (folder / "toy.safetensors").write_bytes(b"weights")
    others = [f"  - {{name: {name}, path: toy.safetensors, family: sd1}}" for name in names if name != COMMON]
    common = f"  - {{name: {COMMON}, path: toy.safetensors, family: sd1, default: true, aliases: [v1.5, general]}}"
    (folder / "models.yaml").write_text("\n".join(["models:", common, *others, ""]))
