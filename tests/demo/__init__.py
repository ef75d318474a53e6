"""Tests of the demo and its parts."""
