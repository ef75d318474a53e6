"""The Oden stand-in, from the outside."""
