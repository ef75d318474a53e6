"""When a broker is asked whether PUBACKs are processed, and what its answers prove."""

from gateway.sources.mqtt_confirmation import ANSWER, GAP, PING, TOLD, Confirmation


def begun() -> Confirmation:
    confirmation = Confirmation()
    confirmation.begin()
    return confirmation


def test_p2_an_answer_proves_what_was_written_before_its_question() -> None:
    """And what earlier questions asked about, answered or not; nothing that was written later."""
    confirmation = begun()
    confirmation.acknowledge(1, 1, 0.0)
    confirmation.asked(7, 0.0)
    confirmation.acknowledge(2, 2, 0.1)
    confirmation.asked(PING, 0.1)
    confirmation.acknowledge(3, 3, 0.2)
    assert confirmation.answered(PING, 0.3) == (range(1, 2), range(2, 3))
    assert confirmation.answered(7, 0.3) == ()
    confirmation.asked(8, 0.4)
    assert confirmation.answered(8, 0.5) == (range(3, 4),)


def test_p12_what_no_question_has_asked_about_takes_no_room() -> None:
    """Behind a long queue the answer comes last. What follows each other is one range, whatever was left out before."""
    confirmation = begun()
    for number in (1, 3, *range(4, 200_000)):
        confirmation.acknowledge(number, number, 0.0)
    confirmation.asked(7, 0.0)
    assert confirmation.answered(7, 60.0) == (range(1, 2), range(3, 200_000))


def test_p2_an_answer_of_an_earlier_connection_proves_nothing() -> None:
    """Questions end with their connection."""
    confirmation = begun()
    confirmation.acknowledge(1, 1, 0.0)
    confirmation.asked(7, 0.0)
    confirmation.begin()
    assert confirmation.answered(7, 0.1) == ()
    assert confirmation.wait(0.1) is None


def test_questions_are_few() -> None:
    """Where there is nothing to ask, none; one at a time; at most one each GAP."""
    confirmation = begun()
    assert confirmation.wait(0.0) is None
    confirmation.acknowledge(1, 1, 0.0)
    assert confirmation.wait(0.0) == 0.0
    confirmation.asked(7, 0.0)
    assert confirmation.wait(0.01) == ANSWER - 0.01
    confirmation.acknowledge(2, 2, 0.01)
    confirmation.answered(7, 0.01)
    assert confirmation.wait(0.01) == GAP - 0.01


def test_a_question_without_an_answer_is_asked_as_a_ping() -> None:
    """Once: while that is under way no further one is."""
    confirmation = begun()
    confirmation.acknowledge(1, 1, 0.0)
    confirmation.asked(7, 0.0)
    assert (confirmation.wait(ANSWER), confirmation.by_ping) == (0.0, True)
    confirmation.asked(PING, ANSWER)
    assert confirmation.wait(3 * ANSWER) is None
    assert confirmation.answered(PING, 3 * ANSWER) == (range(1, 2),)


def test_p9_a_minute_without_an_answer_is_told() -> None:
    """Counted from the first PUBACK that is open; over when an answer comes."""
    confirmation = begun()
    assert not confirmation.overdue(1e9)
    confirmation.acknowledge(1, 1, 0.0)
    confirmation.asked(7, 0.0)
    assert (confirmation.overdue(TOLD), confirmation.overdue(TOLD + 1)) == (False, True)
    confirmation.answered(7, TOLD + 1)
    assert not confirmation.overdue(2 * TOLD)


def test_a_broker_that_twice_ends_the_connection_after_a_question_gets_pings_only() -> None:
    """One that has answered before, or later, did not end it because of that."""
    confirmation = begun()
    for at in (0.0, 10.0, 20.0):
        assert confirmation.pings_only == (at == 20.0)
        confirmation.begin()
        confirmation.acknowledge(1, 1, at)
        confirmation.asked(7, at)
        confirmation.lost(at + 0.01)
    assert confirmation.by_ping
    answering = begun()
    for at in (0.0, 10.0, 20.0):
        answering.begin()
        answering.acknowledge(1, 1, at)
        answering.asked(7, at)
        answering.answered(7, at)
        answering.acknowledge(2, 2, at)
        answering.asked(8, at)
        answering.lost(at + 0.01)
    assert not answering.pings_only


def _that_uses_again() -> Confirmation:
    """One message after the other, each acknowledged and confirmed: ids begin with 1 each time."""
    confirmation = Confirmation()
    for number in (1, 2):
        confirmation.came(1, dup=False)
        assert confirmation.acknowledge(1, number, 0.0) == (1,)
        confirmation.asked(number, 0.0)
        assert confirmation.answered(number, 0.0) == (range(number, number + 1),)
        assert confirmation.due(0.0) == ()
    return confirmation


def test_p2_where_ids_are_used_again_the_last_is_acknowledged_when_the_others_are_confirmed() -> None:
    """Its ids go on until then, so that a cut leaves one message that another can be taken for."""
    confirmation = _that_uses_again()
    assert [confirmation.acknowledge(id_, id_ + 2, 1.0) for id_ in (1, 2, 3)] == [(1,), (), (2,)]
    confirmation.asked(10, 1.0)
    assert confirmation.acknowledge(4, 6, 1.1) == (3,)
    assert (confirmation.answered(10, 1.2), confirmation.due(1.2)) == ((range(3, 5),), ())
    confirmation.asked(11, 1.2)
    assert (confirmation.answered(11, 1.3), confirmation.due(1.3)) == ((range(5, 6),), (4,))
    confirmation.asked(12, 1.3)
    assert (confirmation.answered(12, 1.4), confirmation.due(1.4)) == ((range(6, 7),), ())


def test_where_ids_are_kept_none_is_held_back() -> None:
    """Also where they have come round, and where the broker sends again."""
    confirmation = Confirmation()
    for packet_id, dup in ((65_534, False), (65_535, False), (1, False), (65_534, True), (2, False)):
        confirmation.came(packet_id, dup=dup)
    confirmation.begin()
    confirmation.came(1, dup=False)
    assert [confirmation.acknowledge(id_, id_, 0.0) for id_ in (1, 2, 3)] == [(1,), (2,), (3,)]


def test_p2_what_was_held_back_is_of_its_connection() -> None:
    """The next one acknowledges it when it has come again; that its broker uses ids again is known."""
    confirmation = _that_uses_again()
    confirmation.acknowledge(1, 3, 1.0)
    confirmation.acknowledge(2, 4, 1.0)
    confirmation.begin()
    assert confirmation.due(2.0) == ()
    assert [confirmation.acknowledge(id_, id_, 2.0) for id_ in (2, 3)] == [(2,), ()]
