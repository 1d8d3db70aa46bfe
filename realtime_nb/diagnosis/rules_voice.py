"""The voices: the parts of the local one, and the server that sessions would use."""

from __future__ import annotations

from collections.abc import Iterator

from .checkup import Check
from .probes import Answer, Clock, Facts, Part, Server

_LOCAL = "pip install 'realtime-nb[local]', then restart the kernel"
#: Parts that the local voice can do without.
_OPTIONAL = {"silero": "webrtcvad alone finds turns, and takes more noise for speech"}
#: From here on a server may find that a client secret is over, or a certificate not begun.
_CLOCK_OFF_MS = 30_000.0
_VARIABLES = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY"}


def checks(facts: Facts) -> Iterator[Check]:
    """Yield the lines."""
    wanted = facts.server is None or facts.server.name == "local"
    missing = [part for part in facts.parts if part.missing and part.name not in _OPTIONAL]
    if missing:
        yield _not_installed(missing, wanted)
    for part in facts.parts:
        if part not in missing:
            yield _part(part, wanted)
    if facts.server:
        yield from _server(facts.server)


def _not_installed(missing: list[Part], wanted: bool) -> Check:
    """Return one line for all parts of an extra: they are mended together."""
    names = ", ".join(f"{part.name} ({part.error})" for part in missing)
    if wanted:
        return Check("local voice", "broken", f"not installed: {names}", _LOCAL)
    return Check("local voice", "warning", f"not installed, and not chosen: {names}", _LOCAL)


def _part(part: Part, wanted: bool) -> Check:
    if not part.error:
        return Check(part.name, "ok", f"{part.said} in {part.took_ms:.0f} ms")
    if part.name in _OPTIONAL:
        return Check(part.name, "warning", f"{part.error}: {_OPTIONAL[part.name]}", _LOCAL if part.missing else "")
    fix = "pip install --force-reinstall 'realtime-nb[local]', then restart the kernel"
    return Check(part.name, "broken" if wanted else "warning", part.error, fix)


def _server(server: Server) -> Iterator[Check]:
    if server.error:
        cause, _, cure = server.error.partition(": ")
        yield Check("backend", "broken", cause, cure or f"choose a backend that is there; this one is {server.name}")
        return
    if server.http is None and server.realtime is None:
        return
    refused = next((a for a in (server.http, server.realtime) if a and a.code == "invalid_api_key"), None)
    if refused:
        yield _refused(server)
        return
    if server.http:
        yield _http(server, server.http)
    lost = server.http is not None and server.http.code == "unreachable"
    if server.realtime and not (lost and server.realtime.code == "unreachable"):
        yield _realtime(server, server.realtime)
    if server.clock:
        yield _clock(server, server.clock)


def _refused(server: Server) -> Check:
    variable = _VARIABLES.get(server.name, "REALTIME_NB_API_KEY")
    said = f"{server.host} refused the key" if server.keyed else f"{server.host} asks for a key, and none is set"
    return Check(
        "API key",
        "broken",
        said,
        f'set a valid key in {variable} and restart the kernel, or talk to the local voice with backend="local"',
    )


def _http(server: Server, http: Answer) -> Check:
    if not http.error:
        key = "the key is valid, " if server.keyed and server.name != "local" else ""
        said = f"{server.host} answers in {http.took_ms:.0f} ms: {key}{server.model} is there"
        return Check("backend", "ok", said)
    if http.code == "unreachable":
        fix = "check the network, the address and HTTPS_PROXY; mybinder.org and some firewalls let little through"
        return Check("backend", "broken", http.error, fix)
    if http.code in _FATAL:
        return Check("backend", "broken", f"{server.host}: {http.error}", _FATAL[http.code])
    if server.realtime and not server.realtime.error:
        said = f"{server.host} does not tell of its models ({http.error}), but its Realtime endpoint answers"
        return Check("backend", "warning", said, "nothing, as long as sessions work; the key itself was not refused")
    return Check("backend", "broken", f"{server.host}: {http.error}", "check base_url and model")


_FATAL = {
    "model_not_found": "choose a model that the account has (model=…), or ask for access to this one",
    "insufficient_quota": "add credit to the account, or use another key",
    "billing_hard_limit_reached": "raise the account's spending limit, or use another key",
    "account_deactivated": "use the key of another account",
    "unsupported_country_region_territory": "the service is not offered where this machine is",
}


def _realtime(server: Server, realtime: Answer) -> Check:
    if not realtime.error:
        said = realtime.said or f"a session with {server.model} opened"
        return Check("Realtime socket", "ok", f"{said}, in {realtime.took_ms:.0f} ms")
    if server.name == "local":
        fix = "see the lines on the local voice; restart the kernel"
    elif realtime.code in _FATAL:
        fix = _FATAL[realtime.code]
    elif server.http and not server.http.error:
        fix = "let WebSockets (wss, port 443) through the proxy or firewall, or use ChatSession or CascadeSession"
    else:
        fix = "check the address, the model and the network"
    return Check("Realtime socket", "broken", f"no session with {server.model}: {realtime.error}", fix)


def _clock(server: Server, clock: Clock) -> Check:
    off_s = clock.offset_ms / 1000
    said = f"{server.host}'s clock is {abs(off_s):.1f} s {'ahead of' if off_s >= 0 else 'behind'} the kernel's"
    said += f" (±{clock.error_ms / 1000:.1f} s)"
    if abs(clock.offset_ms) > _CLOCK_OFF_MS:
        fix = "let this machine set its clock by network time: certificates and client secrets depend on it"
        return Check("server's clock", "warning", said, fix)
    return Check("server's clock", "ok", said)
