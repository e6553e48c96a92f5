"""How often one may ask: rates, bursts, who is who behind a proxy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tongbao.app import limits
from tongbao.app.answers import _TRIES_A_SECRET
from tongbao.app.limits import Buckets, Policy, RateLimits, networks
from tongbao.app.settings import Settings


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_in_at_once_and_then_the_rate() -> None:
    buckets = Buckets(Policy("x", 2.0, 5))
    assert [buckets.wait_s("ann", 10.0) for _ in range(5)] == [0.0] * 5
    assert buckets.wait_s("ann", 10.0) == pytest.approx(0.5)
    assert buckets.wait_s("ben", 10.0) == 0.0
    assert buckets.wait_s("ann", 10.5) == 0.0
    assert buckets.wait_s("ann", 10.5) == pytest.approx(0.5)
    assert [buckets.wait_s("ann", 99.0) for _ in range(6)][4:] == [0.0, pytest.approx(0.5)]


def test_who_keeps_asking_is_let_in_at_the_rate_and_no_faster() -> None:
    buckets = Buckets(Policy("x", 10.0, 1))
    let_in = sum(buckets.wait_s("ann", 5 + tick / 1000) == 0.0 for tick in range(10_000))
    assert let_in == 100


def test_so_many_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 100)
    buckets = Buckets(Policy("x", 1.0, 1))
    for stranger in range(1000):
        assert buckets.wait_s(stranger, 10.0 + stranger / 1e6) == 0.0
        assert len(buckets._served_at) <= 100


def rates(**more: object) -> tuple[RateLimits, Clock]:
    clock = Clock()
    given = {"address_rate": 2, "session_rate": 1, "login_rate": 6, "limit_loopback": True, **more}
    return RateLimits(Settings(**given), clock), clock  # type: ignore[arg-type]


def let_in(asked: RateLimits, peer: str, *headers: tuple[bytes, bytes]) -> int:
    count = 0
    while asked.over(peer, headers) is None:
        count += 1
        assert count < 1000
    return count


def test_an_address_and_a_session_are_bounded_each_by_itself() -> None:
    asked, _ = rates()
    assert let_in(asked, "1.1.1.1", (b"authorization", b"Bearer a")) == 5
    assert let_in(asked, "2.2.2.2", (b"authorization", b"Bearer a")) == 0  # the same session elsewhere
    assert let_in(asked, "3.3.3.3", (b"cookie", b"x=1; tongbao_session=b; y=2")) == 5
    assert let_in(asked, "4.4.4.4", (b"cookie", b"y=9; tongbao_session=b")) == 0
    assert let_in(asked, "5.5.5.5", (b"cookie", b"__Secure-tongbao_session=c")) == 5
    assert let_in(asked, "6.6.6.6", (b"cookie", b"__Secure-tongbao_session=c")) == 0
    assert let_in(asked, "7.7.7.7") == 10


def test_who_is_over_is_told_which_bound_and_when_to_come_again() -> None:
    asked, clock = rates()
    let_in(asked, "1.1.1.1")
    over = asked.over("1.1.1.1", [])
    assert over is not None and over.retry_after_s == 1
    assert dict(over.headers) == {"RateLimit-Policy": '"address";q=10;w=5', "RateLimit": '"address";r=0;t=1'}
    clock.now += over.retry_after_s
    assert asked.over("1.1.1.1", []) is None


def test_attempts_have_a_bound_of_their_own() -> None:
    asked, clock = rates()
    assert [asked.over_attempts("1.1.1.1", b"") is None for _ in range(7)] == [True] * 6 + [False]
    clock.now += 10
    assert [asked.over_attempts("1.1.1.1", b"") is None for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:DB8:0:0:9::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:8.8.8.8", "8.8.8.8", True),
        ("::ffff:8.8.8.8", "::ffff:8.8.4.4", False),
    ],
)
def test_a_network_of_ipv6_is_one_client(one: str, other: str, same: bool) -> None:
    asked, _ = rates()
    assert let_in(asked, one) == 10
    assert (asked.over(other, []) is not None) is same
    while asked.over_attempts(one, b"") is None:
        pass
    assert (asked.over_attempts(other, b"") is not None) is same


BEHIND = [
    ("nobody is trusted", "", "10.0.0.1", b"8.8.8.8", "10.0.0.1"),
    ("not a proxy of ours", "10.0.0.0/8", "9.9.9.9", b"8.8.8.8", "9.9.9.9"),
    ("one proxy", "10.0.0.0/8", "10.0.0.1", b"8.8.8.8", "8.8.8.8"),
    ("two proxies", "10.0.0.0/8", "10.0.0.1", b"8.8.8.8, 10.0.0.2", "8.8.8.8"),
    ("what the client wrote itself is not believed", "10.0.0.0/8", "10.0.0.1", b"1.2.3.4, 8.8.8.8", "8.8.8.8"),
    ("no address at all", "10.0.0.0/8", "10.0.0.1", b"unknown", "10.0.0.1"),
    ("nothing", "10.0.0.0/8", "10.0.0.1", b"", "10.0.0.1"),
    ("a proxy on this machine", "127.0.0.1", "127.0.0.1", b"2001:db8::1", "2001:db8::1"),
]


@pytest.mark.parametrize(("proxies", "peer", "forwarded", "whose"), [row[1:] for row in BEHIND], ids=[row[0] for row in BEHIND])
def test_an_address_is_believed_only_from_proxies_we_trust(proxies: str, peer: str, forwarded: bytes, whose: str) -> None:
    asked, _ = rates(trusted_proxies=proxies)
    assert asked.address(peer, forwarded) == whose


def test_this_machine_is_not_counted_unless_it_is_said_or_speaks_for_others() -> None:
    plain, _ = rates(limit_loopback=False)
    assert (plain.applies_to("127.0.0.1"), plain.applies_to("::1"), plain.applies_to("9.9.9.9")) == (False, False, True)
    assert plain.over_attempts("127.0.0.1", b"") is None
    behind, _ = rates(limit_loopback=False, trusted_proxies="127.0.0.1")
    assert behind.applies_to("127.0.0.1")
    assert let_in(behind, "127.0.0.1", (b"x-forwarded-for", b"8.8.8.8")) == 10
    assert all(behind.over("127.0.0.1", []) is None for _ in range(100))


def test_a_proxy_that_is_no_address_is_said_at_the_start() -> None:
    with pytest.raises(SystemExit, match="TONGBAO_TRUSTED_PROXIES"):
        networks("10.0.0.0/8, my-proxy")


SECRETS: Sequence[tuple[str, bool]] = [
    ("/v1/wallet/login", True), ("/v1/console/login", True), ("/v1/wallet/register", True), ("//v1/wallet/login", True),
    ("/v1/wallet/recovery/start", True), ("/v1/wallet/codes", True),
    ("/v1/wallet/logout", False), ("/v1/merchant/orders", False), ("/v1/wallet/transfers", False),
]  # fmt: skip


@pytest.mark.parametrize(("path", "tries"), SECRETS)
def test_which_addresses_try_a_secret(path: str, tries: bool) -> None:
    assert (_TRIES_A_SECRET.search(path) is not None) is tries
