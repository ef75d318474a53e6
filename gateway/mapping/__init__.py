"""What samples mean: pure functions from line state and sample to line state and records."""
