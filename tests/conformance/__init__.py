"""The rows of docs/conformance.md, asked of a running server."""
