"""The reader of what the others publish: watches files and builds snapshots."""
