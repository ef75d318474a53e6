"""Try before you trust: what the configuration makes of a recording, and of cases written by hand, without sending anything."""
