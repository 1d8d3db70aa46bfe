import datetime
import itertools
import json

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price, extract_usage

from realtime_nb.errors import SettingsError
from realtime_nb.pricing import prices
from realtime_nb.pricing.cost import cost_of, metered_cost
from realtime_nb.pricing.prices import (
    TOKEN_PRICES,
    VARIABLE,
    find_price,
    price_holds,
    price_table,
    shutdown_notice,
    use_prices,
)
from realtime_nb.pricing.usage import Usage, read_usage
from realtime_nb.protocol.chat import realtime_usage

MODELS = price_table()["models"]


@pytest.fixture(autouse=True)
def no_prices_of_ones_own(monkeypatch):
    monkeypatch.setattr(prices, "_own", None)
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_dated_snapshot_costs_what_its_family_costs_unless_it_has_its_own_row():
    assert find_price("gpt-realtime-2025-08-28") == find_price("gpt-realtime")
    assert find_price("gpt-4o-realtime-preview-2024-10-01")["audio_in"] == 100


def test_every_row_has_a_date_a_source_and_known_fields():
    texts = {"source", "as_of", "remark", "minutes_of"}
    for row in MODELS.values():
        assert row["source"] and datetime.date.fromisoformat(row["as_of"])
        assert set(row) <= {*TOKEN_PRICES, *texts, "per_minute", "per_million_characters", "context_tokens"}
        assert ("minutes_of" in row) == bool(row.get("per_minute"))


def test_a_shutdown_is_announced_with_its_date_and_what_to_use():
    assert shutdown_notice("gpt-realtime") == (
        "the model 'gpt-realtime' is shut down on 2027-01-20; use gpt-realtime-2.1 instead"
    )
    assert shutdown_notice("gpt-realtime-2.1") is None
    assert shutdown_notice(None) is None
    for row in price_table()["shutdowns"]:
        datetime.date.fromisoformat(row["date"])
        assert shutdown_notice(row["instead"]) is None


# --- an independent implementation ---

#: Few enough to stay below the prices of a long context.
MANY = 100_000
#: Our price → their usage, so many of it; what is cached is also read, for them as for us.
THEIR_USAGE = {
    "text_in": {"input_tokens": MANY},
    "text_cached": {"input_tokens": MANY, "cache_read_tokens": MANY},
    "text_out": {"output_tokens": MANY},
    "audio_in": {"input_tokens": MANY, "input_audio_tokens": MANY},
    "audio_cached": {
        "input_tokens": MANY,
        "input_audio_tokens": MANY,
        "cache_read_tokens": MANY,
        "cache_audio_read_tokens": MANY,
    },
    "audio_out": {"output_tokens": MANY, "output_audio_tokens": MANY},
    "image_in": {"input_tokens": MANY, "input_image_tokens": MANY},
    "image_cached": {
        "input_tokens": MANY,
        "input_image_tokens": MANY,
        "cache_read_tokens": MANY,
        "cache_image_read_tokens": MANY,
    },
    "per_minute": {"audio_seconds": 60, "input_audio_seconds": 60},
    "per_million_characters": {"input_characters": MANY},
}
#: Models whose rows differ from theirs, and why.
DIFFERENT = {
    "gpt-4o-realtime-preview-2024-10-01": "they give the launch snapshot its family's later prices",
    "gpt-4o-audio-preview": "they have no audio prices for it",
    "gpt-4o-audio-preview-2024-10-01": "they have no audio prices for it",
    "gpt-4o-mini-audio-preview": "they have no audio prices for it",
}
SHARED = [name for name in MODELS if not name.startswith(("local-", "azure/"))]


def their_price(model, price):
    usage = THEIR_USAGE[price]
    if price == "per_minute" and MODELS[model]["minutes_of"] == "session":
        usage = {"audio_seconds": 60}
    usd = float(calc_price(TheirUsage(**usage), model_ref=model, provider_id="openai").total_price)
    return usd if price == "per_minute" else usd * 10**6 / MANY


@pytest.mark.parametrize("model", SHARED)
def test_an_independent_implementation_has_the_same_prices(model):
    ours = {key: value for key, value in MODELS[model].items() if key in THEIR_USAGE}
    theirs = {key: their_price(model, key) for key in ours}
    if model in DIFFERENT:
        assert theirs != pytest.approx(ours, rel=1e-6), f"{model} is no exception any more"
    else:
        assert theirs == pytest.approx(ours, rel=1e-6)


@pytest.mark.parametrize("model", [model for model in SHARED if model not in DIFFERENT and "image_in" in MODELS[model]])
def test_an_independent_implementation_prices_a_mixed_reply_alike(model):
    usage = Usage(
        text_in=400, text_cached=128, audio_in=900, audio_cached=640, image_in=85, image_cached=64, text_out=50,
        audio_out=300,
    )  # fmt: skip
    theirs = TheirUsage(
        input_tokens=1_385, cache_read_tokens=832, input_audio_tokens=900, cache_audio_read_tokens=640,
        input_image_tokens=85, cache_image_read_tokens=64, output_tokens=350, output_audio_tokens=300,
    )  # fmt: skip
    total = float(calc_price(theirs, model_ref=model, provider_id="openai").total_price)
    assert cost_of(usage, model).total_usd == pytest.approx(total, rel=1e-9)


# --- Azure ---


def test_a_data_zone_at_azure_costs_more():
    openai = find_price("gpt-realtime-2.1")
    assert find_price("azure/gpt-realtime-2.1") == find_price("azure/global/gpt-realtime-2.1") == openai
    for zone in ("eu", "us"):
        row = find_price(f"azure/{zone}/gpt-4o-realtime-preview-2024-10-01")
        assert (row["audio_in"], row["audio_out"]) == pytest.approx((110, 220))  # as litellm 1.109.1 lists them
        assert row["source"] and row["as_of"]
    assert find_price("azure/moon/gpt-realtime-2.1") is find_price("azure/gpt-9") is None


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://name.openai.azure.com", True),
        ("", True),  # The local voice.
        ("http://127.0.0.1:8000/v1", False),
        ("https://openai.com.example.org/v1", False),
        ("https://notopenai.com/v1", False),
        ("no address", False),
    ],
)
def test_a_price_of_the_table_holds_where_the_model_is_sold(address, holds):
    assert price_holds("gpt-realtime-2.1", address) is holds
    assert price_holds("local-rules", address)
    use_prices({"gpt-realtime-2.1": {"like": "gpt-realtime-2.1", "times": 0.5}})
    assert price_holds("gpt-realtime-2.1", address) and price_holds("gpt-realtime-2.1-2026-09-01", address)
    use_prices(None)
    assert price_holds(None, address) is holds


def test_what_azure_prices_otherwise_has_rows_of_its_own():
    assert find_price("azure/gpt-audio-2025-08-28")["audio_out"] == 80 and find_price("gpt-audio")["audio_out"] == 64
    assert find_price("azure/eu/gpt-audio")["audio_out"] == pytest.approx(88)
    assert find_price("azure/eu/gpt-6-luna")["text_in"] == 0.12


# --- your own prices ---


def test_your_own_prices_hold_for_all_replies_until_removed():
    use_prices({"my-model": {"text_in": 1, "text_out": 2, "as_of": "2026-01-01"}})
    cost = cost_of(Usage(text_in=10**6, text_out=10**6), "my-model")
    assert (cost.total_usd, cost.as_of, cost.source) == (3, "2026-01-01", "your own prices")
    assert cost_of(Usage(audio_in=1), "my-model") is None
    use_prices(None)
    assert find_price("my-model") is None


def test_your_own_row_replaces_a_shipped_one_whole():
    use_prices({"gpt-realtime-2.1": {"text_in": 9}})
    assert find_price("gpt-realtime-2.1") == {"text_in": 9, "source": "your own prices", "as_of": ""}


def test_a_deployment_costs_what_its_model_costs():
    use_prices(
        {"berlin": {"like": "azure/eu/gpt-realtime-2.1"}, "cheap": {"like": "berlin", "times": 0.5, "text_in": 0}}
    )
    assert find_price("berlin")["audio_in"] == pytest.approx(35.2)
    assert find_price("berlin")["source"] == "your own prices, like azure/eu/gpt-realtime-2.1"
    assert (find_price("cheap")["audio_in"], find_price("cheap")["text_in"]) == (pytest.approx(17.6), 0)
    use_prices({"minutes": {"like": "gpt-transcribe", "times": 2}})
    assert metered_cost({"type": "duration", "seconds": 60}, "minutes").total_usd == pytest.approx(0.009)


def test_a_file_of_prices_can_be_named_or_be_in_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"my-model": {"per_minute": 1}}))
    monkeypatch.setenv(VARIABLE, str(path))
    assert find_price("my-model")["per_minute"] == 1
    path.write_text(json.dumps({"my-model": {"per_minute": 2}}))
    use_prices(path)
    assert find_price("my-model")["per_minute"] == 2
    use_prices(None)
    assert find_price("my-model") is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"m": {"text_inn": 1}}, r"prices\['m'\]\['text_inn'\] is not a price: use one of text_in, "),
        ({"m": {"text_in": "1"}}, r"\['text_in'\]='1' must be a number of at least 0"),
        ({"m": {"text_in": -1}}, "=-1 must be a number of at least 0"),
        ({"m": {"text_in": True}}, "=True must be a number"),
        ({"m": {"text_in": float("nan")}}, "=nan must be a number"),
        ({"m": {"text_in": 1, "source": 2}}, r"\['source'\]=2 must be text"),
        ({"m": 1}, "must be an object of prices, not 1"),
        ({"m": {}}, "has no price: give one of text_in"),
        ({"m": {"times": 2}}, "'times'.=2 needs a 'like' beside it"),
        ({"m": {"like": "gpt-9"}}, "'like'.='gpt-9' has no price itself"),
        ([1], "prices must be an object with a row for each model, not list"),
        ("/no/such/file.json", "/no/such/file.json is not a file of prices: .* is not a file"),
    ],
)
def test_an_invalid_price_is_refused_and_nothing_changes(given, text):
    use_prices({"before": {"text_in": 1}})
    with pytest.raises(SettingsError, match=text):
        use_prices(given)
    assert find_price("before") is not None


def test_a_bad_file_in_the_environment_is_named_with_its_variable(tmp_path, monkeypatch):
    path = tmp_path / "prices.json"
    path.write_text("{")
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(SettingsError, match=rf"{VARIABLE}: .*prices.json is not a file of prices"):
        find_price("gpt-realtime-2.1")


def _told(split, text, audio, text_cached, audio_cached, text_out, audio_out):
    """Return a usage of the Realtime API that splits all, the audio alone, or nothing."""
    cached = {"text_tokens": text_cached, "audio_tokens": audio_cached, "image_tokens": 0}
    details = {"cached_tokens": text_cached + audio_cached, "cached_tokens_details": cached}
    words = {"text_tokens": text} if split == "all" else {}
    words_out = {"text_tokens": text_out} if split == "all" else {}
    told = {"input_tokens": text + audio, "output_tokens": text_out + audio_out}
    told["total_tokens"] = sum(told.values())
    if split != "nothing":
        told["input_token_details"] = {"audio_tokens": audio, **words, **details}
        told["output_token_details"] = {"audio_tokens": audio_out, **words_out}
    return told


@pytest.mark.parametrize("split", ["all", "the audio", "nothing"])
@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-audio-1.5", "gpt-4.1"])
def test_an_independent_implementation_reads_and_prices_what_servers_tell_alike(model, split):
    is_chat = not model.startswith("gpt-realtime")
    compared = 0
    for text, audio, text_cached, audio_cached, text_out, audio_out in itertools.product(
        (0, 400), (0, 900), (0, 128), (0, 640), (0, 50), (0, 300)
    ):
        if text_cached > text or audio_cached > audio or not text + audio or not text_out + audio_out:
            continue
        if ((audio or audio_out) and (model == "gpt-4.1" or split == "nothing")) or (audio_cached and is_chat):
            continue  # They have no sound, would have to guess, or take nothing off for it.
        if split == "nothing" and text_cached:
            continue
        told = _told(split, text, audio, text_cached, audio_cached, text_out, audio_out)
        data = {"type": "response.done", "response": {"model": model, "usage": told}}
        if is_chat:
            told = {
                name.replace("input", "prompt").replace("output", "completion"): each for name, each in told.items()
            }
            told = {name.replace("token_details", "tokens_details"): each for name, each in told.items()}
            data = {"model": model, "usage": told}
        theirs = extract_usage(data, provider_id="openai", api_flavor="chat" if is_chat else "realtime").usage
        usd = float(calc_price(theirs, model_ref=model, provider_id="openai").total_price)
        cost = cost_of(read_usage(realtime_usage(told) if is_chat else told), model)
        assert cost.total_usd == pytest.approx(usd), told
        compared += 1
    assert compared
