"""Where the box's own files are: a flag, or what school.yaml says, relative to the configuration directory."""

from __future__ import annotations

from pathlib import Path


def state_directory(config_dir: Path, flag: Path | None) -> Path:
    """The state directory. Raises ConfigError if school.yaml has to say and cannot be read."""
    if flag is not None:
        return flag
    from filterd.config.load import state_dir  # yaml and pydantic: only where no flag spares them

    return state_dir(config_dir)
