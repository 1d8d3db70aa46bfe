#!/usr/bin/env bash
# genai-prices 0.2.3: the usage of a Realtime response with a picture and a cached prefix, whose cached_tokens_details
# hold text and audio alone, has no price: calc_price raises ValueError. The details add up to cached_tokens, and each
# of them is optional in OpenAI's API.
#
# You would expect that a kind of token that is not among the details was not cached, as it adds up; or that the price
# is the same as with "image_tokens": 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from genai_prices import calc_price, extract_usage


def price(**cached):
    details = {"text_tokens": 50, "audio_tokens": 50, "image_tokens": 100, "cached_tokens": 64}
    usage = {"total_tokens": 300, "input_tokens": 200, "output_tokens": 100}
    usage["input_token_details"] = details | {"cached_tokens_details": cached}
    usage["output_token_details"] = {"text_tokens": 20, "audio_tokens": 80}
    response = {"response": {"model": "gpt-realtime", "usage": usage}}
    told = extract_usage(response, provider_id="openai", api_flavor="realtime")
    return calc_price(told.usage, "gpt-realtime", provider_id="openai").total_price


print(f"genai-prices {version('genai-prices')}, with image_tokens 0: {price(text_tokens=48, audio_tokens=16, image_tokens=0)}")
try:
    print("without:", price(text_tokens=48, audio_tokens=16))
except ValueError as error:
    assert "cache_image_read_tokens" in str(error), error
    print(f"without: {error!r}")
else:
    raise SystemExit("it has a price now")
PYTHON
