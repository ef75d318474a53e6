"""The gateway between brokers and OPC UA servers of other makers, each a process of its own on the loopback interface.

`make peers` installs them and runs this package; `make test` does not collect it. `python -m tests.real_peers` runs one
scenario with one broker and tells what became of each event.
"""
