"""Files on disk: who owns each directory, atomic writes, generations."""
