"""YAML to values: units, schema, loading with every mistake at once."""
