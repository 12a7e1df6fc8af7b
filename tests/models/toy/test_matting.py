from pathlib import Path

from models.toy.matting import matting


def test_every_build_makes_the_same_small_file(models_dir: Path) -> None:
    assert matting() == matting() == (models_dir / "toy-matting.onnx").read_bytes()
    assert len(matting()) < 1000
