"""A sample of `make bursts`."""

from pathlib import Path

from tests.bursts.rig import killed_in_bursts


def test_p1_p2_p4_each_event_of_a_burst_counts_once_although_the_gateway_is_killed_in_it(tmp_path: Path) -> None:
    """Not in total, where a loss hides a double, but each by itself."""
    wrong = killed_in_bursts(tmp_path, bursts=2, events=200, seed=1)
    assert not wrong, "\n".join([f"outbox, ledger and logs: {tmp_path}", *wrong])
