"""Kills inside bursts of events, judged per event (`make bursts`)."""
