"""The commands of `oden-gateway`, one module each, and what they print."""
