"""The Oden API v2, seen from the client."""
