import pytest

from realtime_nb.conversation.records import Reply
from realtime_nb.pricing.usage import Usage
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.items import Response
from realtime_nb.sessions.budget import SessionBounds, bounds
from realtime_nb.widgets.rows import ConversationFollower


class Talk:
    def __init__(self, **limits):
        self.bounds = SessionBounds(**limits)
        self.conversation = self
        self.replies = []

    def reply(self, response_id):
        return next(reply for reply in self.replies if reply.response_id == response_id)


@pytest.fixture(autouse=True)
def kernel():
    yield bounds
    bounds.max_usd = bounds.max_minutes = None
    bounds.reset()


def test_what_is_spent_is_told_with_and_without_a_bound():
    talk = Talk()
    talk.bounds._spent_usd = 0.25
    assert ConversationFollower(talk).message() == {
        "kind": "account",
        "spent": "$0.2500",
        "spent_share": None,
        "minutes": 0.0,
        "max_minutes": None,
        "cached": "",
    }
    talk.bounds.max_usd, talk.bounds.max_minutes = 0.5, 10
    told = ConversationFollower(talk).message()
    assert (told["spent"], told["spent_share"], told["max_minutes"]) == ("$0.2500 of $0.50", 0.5, 10)


def test_the_fuller_of_the_sessions_and_the_kernels_bound_is_reported(kernel):
    talk = Talk(max_usd=1.0)
    other = SessionBounds()
    kernel.opened(other)
    other._spent_usd = 9.0
    kernel.max_usd = 10.0
    assert ConversationFollower(talk).message()["spent"] == "$9.00 of $10.00 in all sessions"
    talk.bounds._spent_usd = 0.95
    assert ConversationFollower(talk).message()["spent"] == "$0.9500 of $1.00"
    kernel.closed(other)


def test_the_cached_share_is_that_of_all_answers():
    talk = Talk()
    talk.replies = [Reply("a", usage=Usage(text_in=100), done=True)]
    account = ConversationFollower(talk)
    talk.replies.append(Reply("b", usage=Usage(text_in=300, text_cached=288), done=True))
    for _ in range(2):  # Some servers say it twice.
        account.on_event(ev.ResponseDone(response=Response(id="b")))
    assert account.message()["cached"] == "cached input 72%"
