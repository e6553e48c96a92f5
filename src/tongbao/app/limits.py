"""How often one may ask: per address, and per session or key. What is beyond is answered 429 before any work begins.

A limit is a rate and how much may come at once. It is kept as one number a client, the moment at which everything they asked for
would have been served at that rate; a request is let in while that moment is less than the burst ahead. In memory, by process:
two processes let in twice as much, which is still a bound.

    address     whoever sends from one address: generous, for a campus or a mobile network stands behind one. Of IPv6 the first
                64 bits: the rest is anybody's to choose who has a network (RFC 4291, 2.5.1)
    session     one session, or a merchant's key
    log-in      requests that try a secret without having a session (log in, register, codes): strict, per address

Requests from this machine itself are not counted unless a setting says so: tests, benchmarks and the health check come from
there, and a reverse proxy beside us says who is behind it.

Source: ITU-T I.371, annex A (generic cell rate algorithm); RFC 6585, 4; draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tongbao.app.settings import Settings
from tongbao.kernel.errors import refusal

RATE_LIMITED = refusal(
    "rate_limited",
    "请求过于频繁，请在 {retry_after_s} 秒后重试。",
    "Too many requests from you. Please try again in {retry_after_s} s.",
    status=429,
    retryable=True,
)

#: So many clients are remembered; beyond that those who have been quiet are forgotten, then all.
_MOST_CLIENTS = 100_000
_SESSION = b"tongbao_session="

Headers = Iterable[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Policy(NamedTuple):
    """So many requests a second on the long run, and so many at once."""

    name: str
    a_second: float
    at_once: int


class Over(NamedTuple):
    """A limit was reached: which, and when to come again."""

    policy: Policy
    retry_after_s: int

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What tells a client how it is bounded."""
        policy = self.policy
        window = math.ceil(policy.at_once / policy.a_second)
        return (
            ("RateLimit-Policy", f'"{policy.name}";q={policy.at_once};w={window}'),
            ("RateLimit", f'"{policy.name}";r=0;t={self.retry_after_s}'),
        )


class Buckets:
    """One limit, for every client there is."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._step = 1 / policy.a_second
        self._slack = (policy.at_once - 1) * self._step
        self._served_at: dict[object, float] = {}

    def wait_s(self, client: object, now: float) -> float:
        """0: let in, and counted. Otherwise the seconds until there is room."""
        served_at = self._served_at.get(client, now)
        if served_at < now:
            served_at = now
        ahead = served_at - now - self._slack
        if ahead > 1e-9:
            return ahead
        if len(self._served_at) >= _MOST_CLIENTS and client not in self._served_at:
            self._forget(now)
        self._served_at[client] = served_at + self._step
        return 0.0

    def _forget(self, now: float) -> None:
        self._served_at = {client: at for client, at in self._served_at.items() if at > now}
        if len(self._served_at) >= _MOST_CLIENTS:
            self._served_at = {}


class RateLimits:
    """The limits of one server process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loopback = settings.limit_loopback
        self._proxies = networks(settings.trusted_proxies)
        self._addresses = Buckets(Policy("address", settings.address_rate, settings.address_rate * 5))
        self._sessions = Buckets(Policy("session", settings.session_rate, settings.session_rate * 5))
        self._attempts = Buckets(Policy("log-in", settings.login_rate / 60, settings.login_rate))

    def applies_to(self, peer: str) -> bool:
        """Whether a connection from this address is counted at all, or may carry others' addresses."""
        return self._loopback or bool(self._proxies and self._trusts(peer)) or not _is_loopback(peer)

    def over(self, peer: str, headers: Headers) -> Over | None:
        """None: come in. Looks at every request, so it looks once at each header and no further."""
        now = self._clock()
        forwarded, secret = b"", None
        for name, value in headers:
            if name == b"authorization":
                secret = value
            elif name == b"cookie" and secret is None:
                at = value.find(_SESSION)
                if at >= 0:
                    secret = value[at:].partition(b";")[0]
            elif name == b"x-forwarded-for":
                forwarded = value if not forwarded else forwarded + b"," + value
        address = self.address(peer, forwarded) if self._proxies else peer
        if self._loopback or not _is_loopback(address):
            wait_s = self._addresses.wait_s(_counted_as(address), now)
            if wait_s:
                return Over(self._addresses.policy, math.ceil(wait_s))
            if secret is not None:
                wait_s = self._sessions.wait_s(secret, now)
                if wait_s:
                    return Over(self._sessions.policy, math.ceil(wait_s))
        return None

    def over_attempts(self, peer: str, forwarded: bytes) -> Over | None:
        """As `over`, for a request that tries a secret."""
        address = self.address(peer, forwarded) if self._proxies else peer
        if not self._loopback and _is_loopback(address):
            return None
        wait_s = self._attempts.wait_s(_counted_as(address), self._clock())
        return Over(self._attempts.policy, math.ceil(wait_s)) if wait_s else None

    def client(self, peer: str, forwarded: bytes) -> str:
        """Who is counted as one: an address, or a network of IPv6."""
        return str(_counted_as(self.address(peer, forwarded)))

    def address(self, peer: str, forwarded: bytes) -> str:
        """Who sent it: the peer; behind proxies we trust, the last one in their list whom none of them is."""
        if not forwarded or not self._trusts(peer):
            return peer
        for text in reversed(forwarded.decode("latin-1").split(",")):
            candidate = text.strip()
            if _address(candidate) is None:
                return peer  # nobody we trust writes that
            if not self._trusts(candidate):
                return candidate
        return peer

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


def networks(text: str) -> Sequence[Network]:
    """Addresses and networks, separated by commas. Raises SystemExit if one is none."""
    try:
        return [ipaddress.ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip()]
    except ValueError as error:
        raise SystemExit(f"TONGBAO_TRUSTED_PROXIES: {error}") from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _counted_as(text: str) -> object:
    """What is counted for an address: itself, or its network of 64 bits."""
    if ":" not in text:
        return text
    found = _address(text)
    if not isinstance(found, ipaddress.IPv6Address):
        return text
    return str(found.ipv4_mapped) if found.ipv4_mapped else int(found) >> 64


def _is_loopback(text: str) -> bool:
    return text.startswith("127.") or text == "::1"
