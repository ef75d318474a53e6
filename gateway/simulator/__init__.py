"""Stand-ins for the other ends: Oden and a plant. For tests and the demo."""
