import asyncio
import time

import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.sessions.rate_limit import Limiter

SERVER = "server"


def quiet(why):
    pass


async def turns():
    """Let everything that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
def test_less_than_one_session_is_no_limit(count):
    with pytest.raises(SettingsError, match="max_sessions"):
        Limiter(max_sessions=count)


async def visitors(limiter, number):
    order, said = [], []

    async def visit(name):
        await limiter.enter(SERVER, said.append)
        order.append(name)

    tasks = []
    for name in range(number):
        tasks.append(asyncio.create_task(visit(name)))
        await turns()
    return order, said, tasks


def test_whoever_waits_longest_is_next_and_is_told_why_it_waits():
    async def main():
        limiter = Limiter(max_sessions=2)
        order, said, tasks = await visitors(limiter, 5)
        assert order == [0, 1]
        assert (limiter.open, limiter.waiting) == (2, 3)
        assert said == [
            "Waiting for a free session: 2 of 2 are in use",
            "Waiting for a free session: 2 of 2 are in use, 1 before this one",
            "Waiting for a free session: 2 of 2 are in use, 2 before this one",
        ]
        for _ in range(5):
            limiter.leave(SERVER)
            await turns()
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        assert said[3:] == ["", "", ""]
        assert limiter.open == 0

    asyncio.run(main())


def test_raising_the_bound_lets_in_who_waits_from_any_thread():
    async def main():
        limiter = Limiter(max_sessions=1)
        order, said, tasks = await visitors(limiter, 4)
        await asyncio.to_thread(setattr, limiter, "max_sessions", 3)
        await asyncio.wait_for(asyncio.gather(*tasks[:3]), 30)
        assert order == [0, 1, 2] and (limiter.open, limiter.waiting) == (3, 1)
        limiter.max_sessions = 4
        await asyncio.wait_for(tasks[3], 30)
        assert said[-3:] == ["", "", ""]

    asyncio.run(main())


def test_a_caller_that_gives_up_waiting_keeps_no_place():
    async def main():
        limiter = Limiter(max_sessions=1)
        order, _, tasks = await visitors(limiter, 3)
        tasks[1].cancel()
        await turns()
        limiter.leave(SERVER)
        await turns()
        assert order == [0, 2]
        tasks[2].cancel()
        assert limiter.open == 1

    asyncio.run(main())


def test_a_place_that_is_given_to_one_who_gives_up_in_the_same_moment_goes_on():
    async def main():
        limiter = Limiter(max_sessions=1)
        order, _, tasks = await visitors(limiter, 3)
        limiter.leave(SERVER)
        tasks[1].cancel()
        await turns()
        assert order == [0, 2]
        assert limiter.open == 1

    asyncio.run(main())


def test_servers_do_not_stand_in_each_others_way():
    async def main():
        limiter = Limiter(max_sessions=1)
        await limiter.enter("a", quiet)
        await asyncio.wait_for(limiter.enter("b", quiet), 30)
        assert limiter.open == 2

    asyncio.run(main())


def test_requests_wait_for_tokens_in_the_order_in_which_they_came():
    async def main():
        limiter = Limiter()
        limiter.told("m", limit=100, remaining=0, reset_s=0.2)
        order, said = [], []

        async def ask(name, tokens):
            await limiter.admit("m", tokens, said.append)
            order.append(name)

        began = time.monotonic()
        async with asyncio.timeout(20):
            await asyncio.gather(ask("large", 100), ask("small", 1))
        assert time.monotonic() - began >= 0.19
        assert order == ["large", "small"]
        assert said[0] == "Waiting about 1 s: the server's rate limit"
        assert said[-1] == ""

    asyncio.run(main())


def test_good_news_from_the_server_ends_the_wait():
    async def main():
        limiter = Limiter()
        limiter.told("m", limit=100, remaining=0, reset_s=3600)
        waiting = asyncio.create_task(limiter.admit("m", 50, quiet))
        await turns()
        assert not waiting.done()
        limiter.told("m", limit=100, remaining=100, reset_s=0)
        await asyncio.wait_for(waiting, 30)

    asyncio.run(main())


def test_a_refusal_holds_all_who_ask_for_the_same_and_nobody_else():
    async def main():
        limiter = Limiter()
        limiter.refused("m", retry_after_s=1.0)
        began = time.monotonic()
        same = asyncio.create_task(limiter.admit("m", 1, quiet))
        await asyncio.wait_for(limiter.admit("other", 1, quiet), 30)
        assert not same.done()
        await asyncio.wait_for(same, 30)
        assert time.monotonic() - began >= 0.99

    asyncio.run(main())
