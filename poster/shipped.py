"""The models this project ships, by name."""

from __future__ import annotations

from pathlib import Path

from poster.errors import CheckpointError

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = "posterpp_nano"


def shipped_models() -> tuple[str, ...]:
    """The names of the shipped checkpoints."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.safetensors")))


def model_path(name_or_file: str) -> Path:
    """The file of a shipped model's name, or the file itself. Raises CheckpointError when it is neither."""
    if name_or_file in shipped_models():
        return WEIGHTS / f"{name_or_file}.safetensors"
    path = Path(name_or_file)
    if not path.is_file():
        raise CheckpointError(f"{name_or_file} is neither a shipped model ({', '.join(shipped_models())}) nor a file; give one of these names or a path")
    return path
