"""The configuration: its schema, and reading it from files, environment and secrets."""
