"""What the configuration makes of a recording, and of test cases written by hand, without sending anything."""
