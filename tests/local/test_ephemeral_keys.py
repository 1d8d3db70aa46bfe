from __future__ import annotations

import pytest

from realtime_nb.local import access as ephemeral_keys
from realtime_nb.local.access import EphemeralKeys
from realtime_nb.local.api_errors import ApiError

SESSION = {"type": "realtime"}


class Clock:
    now = 1000.5

    def __call__(self):
        return self.now


def test_a_key_holds_until_it_expires():
    clock = Clock()
    keys = EphemeralKeys(clock)
    key = keys.issue(SESSION, 60)
    assert (key.value[:3], key.expires_at, key.session) == ("ek_", 1060, SESSION)
    assert keys.find(key.value) is keys.find(key.value) is key
    clock.now = 1060
    assert keys.find(key.value) is None
    assert keys.find("ek_other") is None


def test_there_are_not_more_than_can_be_kept(monkeypatch):
    monkeypatch.setattr(ephemeral_keys, "MOST_KEYS", 2)
    clock = Clock()
    keys = EphemeralKeys(clock)
    assert keys.issue(SESSION, 10).value != keys.issue(SESSION, 10).value
    with pytest.raises(ApiError, match="At most 2 client secrets") as refused:
        keys.issue(SESSION, 10)
    assert refused.value.status == 429
    clock.now += 10
    keys.issue(SESSION, 10)
