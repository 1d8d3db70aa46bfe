from __future__ import annotations

from local_session import Client, run

from realtime_nb.local.realtime.session import MAX_OUT_OF_BAND, TOKENS_PER_MINUTE


def usage_of(client, number):
    return client.all("response.done")[number]["response"]["usage"]


def test_each_response_reads_the_whole_conversation():
    async def main():
        async with Client() as client:
            read = []
            for _ in range(3):
                await client.say("my house is blue")
                await client.send("response.create")
                usage = (await client.until("response.done"))["response"]["usage"]
                read.append(usage["input_tokens"])
                limits = await client.until("rate_limits.updated")
                (limit,) = limits["rate_limits"]
                assert (limit["name"], limit["limit"] - limit["remaining"]) == ("tokens", usage["input_tokens"])
                assert limit["limit"] == TOKENS_PER_MINUTE
            assert read[0] < read[1] < read[2]

    run(main())


def test_a_long_prefix_is_cached_until_the_instructions_change():
    async def main():
        async with Client() as client:
            await client.update(instructions="x" * 8000, output_modalities=["text"])
            cached = []
            for instructions in (None, None, "y" * 8000):
                if instructions:
                    await client.update(instructions=instructions)
                await client.say("hello")
                await client.send("response.create")
                usage = (await client.until("response.done"))["response"]["usage"]
                cached.append(usage["input_token_details"]["cached_tokens"])
            assert cached == [0, 1984, 0]

    run(main())


def test_only_so_many_responses_run_beside_the_conversation():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            for _ in range(MAX_OUT_OF_BAND + 1):
                await client.send("response.create", response={"conversation": "none"})
            await client.send("response.create", response={"conversation": "none"}, event_id="too many")
            error = await client.error()
            assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "too many")
            await client.send("response.create")
            await client.until("rate_limits.updated")

    run(main())


def test_one_of_several_responses_is_cancelled_by_its_id():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.send("response.create", response={"conversation": "none"})
            await client.until("response.created")
            beside = (await client.until("response.created"))["response"]["id"]
            await client.send("response.cancel", response_id=beside)
            done = (await client.until("response.done"))["response"]
            assert (done["id"], done["status"]) == (beside, "cancelled")
            assert (await client.until("response.done"))["response"]["status"] == "completed"

    run(main())


def test_closing_stops_all_of_them():
    async def main():
        async with Client() as client:
            await client.say("tell me a story")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.session.close()
            assert client.all("response.done") == []

    run(main())
