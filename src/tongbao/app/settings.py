"""Settings, read once from the environment. Every name begins with TONGBAO_; `tongbao doctor` prints what is in force."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec


class Secret(str):
    """A setting that is nobody's to read: it is shown as a dash of dots."""

    def __repr__(self) -> str:
        return "…" if self else "''"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose.

    data_dir       the key ring, the embedded database, the simulated bank's books
    database_url   any PostgreSQL ≥ 16; empty: the embedded one in data_dir
    host, port     where the server listens
    processes      server processes; each runs an engine of its own over the one database
    most_wait_s    a request that would wait longer for its answer is refused at once, `overloaded`; a read, three times as long
    public_url     how phones reach us
    bank_url       the bank's address; empty: the simulated bank of `tongbao demo`
    cards_url      the card network's address; empty: the simulated one, which is the same program as the simulated bank
    registries_url the address of those who know people; empty: the simulated registries of `tongbao demo`
    messages_url   the address of the provider of messages; empty: the simulated one of `tongbao demo`
    text_key       what the gateway of the mobile networks signs with; empty: one that follows from the installation's keys
    text_addresses addresses and networks, separated by commas, from which that gateway may send; empty: none
    text_code      what is dialled on a plain phone
    registration_codes  who registers shows a code that was sent there; off for a sandbox
    currency       the wallet's currency
    time_zone      whose midnight begins a day in statements
    rules          packs of rules, by name or as paths of files: adopted at the start of the server unless somebody adopted others
                   by hand; "none": no limits
    country        ISO 3166 code printed into merchant codes
    log_json       structured logs as JSON lines instead of for a terminal
    secure_cookies cookies only over HTTPS; off for a laptop without TLS
    address_rate   requests a second that one address may send on the long run; five times as many at once
    session_rate   the same of one session, or of one merchant's key
    login_rate     attempts a minute to log in, register or use a code that one address has
    limit_loopback whether requests from this machine itself are counted too
    trusted_proxies  addresses and networks, separated by commas, whose X-Forwarded-For says who is asking; empty: nobody's
    four_eyes      sensitive acts of operators take two of them; off for an installation of one person
    operators_second_factor  whether operators need an authenticator app or a passkey: off; warn says so; required lets who has
                   none, or did not log in with it, do nothing but set one up
    argon2_time, argon2_memory_kib  cost of a password hash
    anchor_file    where signed ends of the audit chain are appended; empty: anchors.jsonl in data_dir. Keep copies elsewhere
    anchor_every_s how often the worker signs, when there is news; 0: never
    verify_every_s how often the worker verifies what is new since the last time; 0: never
    watch_pages_every_s  how often the worker compares the pages and scripts that are served with those that were built; 0: never
    verify_hour    at which hour of the local day the worker verifies everything, 0 to 23; -1: never
    support_contact  how customers reach you (a phone number, an address, hours): shown on the wallet's help page
    privacy_contact  who answers for personal data here, and how to reach them: printed into the register of processing
    retention_key  file of the public key that what the law has us keep of erased people is sealed to; empty: a pair in data_dir
    master_key     the master key itself, base64 of 32 bytes; several during a rotation, the new one first
    master_key_file  the file (mode 0600) that holds it, if the environment does not; by default master.key in data_dir
    pkcs11_module  the library of a hardware module that holds it, and the token's label (pkcs11_token) and PIN (pkcs11_pin)
    cipher         what new values are sealed with: AES-256-GCM, or SM4-GCM where the law asks for it
    """

    data_dir: Path = Path("~/.local/share/tongbao")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    processes: int = 1
    most_wait_s: float = 1.0
    public_url: str = ""
    bank_url: str = ""
    cards_url: str = ""
    registries_url: str = ""
    messages_url: str = ""
    text_key: Secret = Secret("")
    text_addresses: str = "127.0.0.1,::1"
    text_code: str = "*123#"
    registration_codes: bool = False
    currency: str = "CNY"
    country: str = "CN"
    time_zone: str = "Asia/Shanghai"
    rules: str = "cn,house"
    log_json: bool = False
    secure_cookies: bool = False
    address_rate: Annotated[int, msgspec.Meta(ge=1)] = 500
    session_rate: Annotated[int, msgspec.Meta(ge=1)] = 200
    login_rate: Annotated[int, msgspec.Meta(ge=1)] = 120
    limit_loopback: bool = False
    trusted_proxies: str = ""
    four_eyes: bool = True
    operators_second_factor: Literal["off", "warn", "required"] = "warn"
    argon2_time: int = 2
    argon2_memory_kib: int = 19_456
    anchor_file: str = ""
    anchor_every_s: int = 60
    verify_every_s: int = 600
    watch_pages_every_s: int = 600
    verify_hour: int = 3
    master_key: Secret = Secret("")
    master_key_file: str = ""
    pkcs11_module: str = ""
    pkcs11_token: str = "tongbao"  # noqa: S105 (a label)
    pkcs11_pin: Secret = Secret("")
    cipher: Literal["AES-256-GCM", "SM4-GCM"] = "AES-256-GCM"
    support_contact: str = ""
    privacy_contact: str = ""
    retention_key: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """From the environment. Raises SystemExit, naming the variable, if one has no valid value."""
        given = {
            name: environment[f"TONGBAO_{name.upper()}"]
            for name in cls.__struct_fields__
            if environment.get(f"TONGBAO_{name.upper()}")
        }
        unknown = sorted(
            name
            for name in environment
            if name.startswith("TONGBAO_")
            and name[8:].lower() not in (*cls.__struct_fields__, "bank_key", "registries_key")
            and not name.startswith("TONGBAO_TEST_")
        )
        if unknown:
            raise SystemExit(f"unknown setting: {', '.join(unknown)}")
        try:
            settings = msgspec.convert(given, cls, strict=False, dec_hook=lambda kind, value: kind(value))
        except (msgspec.ValidationError, ValueError) as error:
            raise SystemExit(_named(str(error))) from None
        if settings.database_url and urlsplit(settings.database_url).scheme not in ("postgresql", "postgres"):
            raise SystemExit(
                "TONGBAO_DATABASE_URL is not valid: it begins with postgresql://, or is empty for the embedded server"
            )
        return msgspec.structs.replace(settings, data_dir=settings.data_dir.expanduser().resolve())


def _named(problem: str) -> str:
    """What is wrong with a setting, under the name that it has in the environment."""
    text, _, place = problem.partition(" - at `$.")
    return f"TONGBAO_{place.rstrip('`').upper()} is not valid: {text}" if place else f"a TONGBAO_ setting is not valid: {problem}"
