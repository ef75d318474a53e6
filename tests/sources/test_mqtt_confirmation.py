"""When a broker is asked whether PUBACKs are processed, and what its answers prove."""

from gateway.sources.mqtt_confirmation import ANSWER, GAP, PING, TOLD, Confirmation


def begun() -> Confirmation:
    confirmation = Confirmation()
    confirmation.begin()
    return confirmation


def test_p2_an_answer_proves_what_was_written_before_its_question() -> None:
    """And what earlier questions asked about, answered or not; nothing that was written later."""
    confirmation = begun()
    confirmation.wrote(1, 0.0)
    confirmation.asked(7, 0.0)
    confirmation.wrote(2, 0.1)
    confirmation.asked(PING, 0.1)
    confirmation.wrote(3, 0.2)
    assert confirmation.answered(PING, 0.3) == (range(1, 2), range(2, 3))
    assert confirmation.answered(7, 0.3) == ()
    confirmation.asked(8, 0.4)
    assert confirmation.answered(8, 0.5) == (range(3, 4),)


def test_p12_what_no_question_has_asked_about_takes_no_room() -> None:
    """Behind a long queue the answer comes last. What follows each other is one range, whatever was left out before."""
    confirmation = begun()
    for number in (1, 3, *range(4, 200_000)):
        confirmation.wrote(number, 0.0)
    confirmation.asked(7, 0.0)
    assert confirmation.answered(7, 60.0) == (range(1, 2), range(3, 200_000))


def test_p2_an_answer_of_an_earlier_connection_proves_nothing() -> None:
    """Questions end with their connection."""
    confirmation = begun()
    confirmation.wrote(1, 0.0)
    confirmation.asked(7, 0.0)
    confirmation.begin()
    assert confirmation.answered(7, 0.1) == ()
    assert confirmation.wait(0.1) is None


def test_questions_are_few() -> None:
    """Where there is nothing to ask, none; one at a time; at most one each GAP."""
    confirmation = begun()
    assert confirmation.wait(0.0) is None
    confirmation.wrote(1, 0.0)
    assert confirmation.wait(0.0) == 0.0
    confirmation.asked(7, 0.0)
    assert confirmation.wait(0.01) == ANSWER - 0.01
    confirmation.wrote(2, 0.01)
    confirmation.answered(7, 0.01)
    assert confirmation.wait(0.01) == GAP - 0.01


def test_a_question_without_an_answer_is_asked_as_a_ping() -> None:
    """Once: while that is under way no further one is."""
    confirmation = begun()
    confirmation.wrote(1, 0.0)
    confirmation.asked(7, 0.0)
    assert (confirmation.wait(ANSWER), confirmation.by_ping) == (0.0, True)
    confirmation.asked(PING, ANSWER)
    assert confirmation.wait(3 * ANSWER) is None
    assert confirmation.answered(PING, 3 * ANSWER) == (range(1, 2),)


def test_p9_a_minute_without_an_answer_is_told() -> None:
    """Counted from the first PUBACK that is open; over when an answer comes."""
    confirmation = begun()
    assert not confirmation.overdue(1e9)
    confirmation.wrote(1, 0.0)
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
        confirmation.wrote(1, at)
        confirmation.asked(7, at)
        confirmation.lost(at + 0.01)
    assert confirmation.by_ping
    answering = begun()
    for at in (0.0, 10.0, 20.0):
        answering.begin()
        answering.wrote(1, at)
        answering.asked(7, at)
        answering.answered(7, at)
        answering.wrote(2, at)
        answering.asked(8, at)
        answering.lost(at + 0.01)
    assert not answering.pings_only
