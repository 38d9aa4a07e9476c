"""The programs under benchmarks/, in miniature."""
