"""Draining the outbox to Oden: what next, when, and what an answer means."""
