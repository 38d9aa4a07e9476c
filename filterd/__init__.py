"""filterd: the content filter a school can own. Layers and words: docs/architecture.md."""

__version__ = "0.1.0"
