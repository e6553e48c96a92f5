#!/usr/bin/env python3
"""Checks a Tongbao proof offline: python verify_proof.py PROOF.json [PUBLIC_KEY]. 离线验证通宝凭证证明。

Needs Python 3.11 and the package `cryptography`, and trusts nothing but the public key: compare it with the one that the operator
publishes (GET /v1/anchors, `tongbao doctor`), or give it as the second argument. Exits 0 if the proof holds, 1 if not.

  row      sha256(02, table, 00, columns, blind)  a column: length in 4 bytes (-1 for null), value, big-endian; a blind: 16 bytes
  command  sha256(00, hashes of its rows)  of more than 32 rows, groups of 32 are hashed first: sha256(03, hashes)
  batch    the root of a Merkle tree over its commands: sha256(01, left, right)  (RFC 6962)
  link     sha256(04, columns of the link, its own hash left empty), one for each batch
  anchor   a signed statement that says the root of a Merkle tree over the links' hashes
"""

import json
import sys
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LINK = (
    "writer bigint, sequence bigint, previous bytea, root bytea, seals text, seal bytea, hash bytea, commands bigint, "
    "decided_at timestamptz"
)


def need(truth: bool, why: str) -> None:
    """Raise ValueError unless it is so."""
    if not truth:
        raise ValueError(why)


def only(part: object, names: set) -> None:
    """A part of the proof has exactly these fields: nothing may stand there unproven."""
    need(isinstance(part, dict) and set(part) == names, f"the fields {sorted(names)} are expected")


def unhex(text: str, length: int = 0) -> bytes:
    """Bytes from lower-case hexadecimal."""
    value = bytes.fromhex(text)
    need(value.hex() == text and length in (0, len(value)), f"not {length or 'some'} bytes in hexadecimal: {text}")
    return value


def encoded(kind: str, value: object) -> bytes:
    """One value as PostgreSQL sends it."""
    if kind in ("text", "bytea"):
        return value.encode() if kind == "text" else unhex(value)
    if kind == "uuid":
        need(str(UUID(value)) == value, "a uuid in another spelling")
        return UUID(value).bytes
    if kind == "bigint":
        need(type(value) is int, "a number is expected")
        return value.to_bytes(8, "big", signed=True)
    if kind == "boolean":
        need(type(value) is bool, "true or false is expected")
        return b"\1" if value else b"\0"
    if kind == "date":
        need(date.fromisoformat(value).isoformat() == value, "a date in another spelling")
        return (date.fromisoformat(value).toordinal() - date(2000, 1, 1).toordinal()).to_bytes(4, "big", signed=True)
    need(kind == "timestamptz", f"an unknown type: {kind}")
    moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    need(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") == value, "a moment in another spelling")
    since = moment - datetime(2000, 1, 1, tzinfo=UTC)
    return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds).to_bytes(8, "big", signed=True)


def row_bytes(columns: str, row: dict) -> bytes:
    """A row: each column's length and value."""
    kinds = [column.split(" ") for column in columns.split(", ")]
    only(row, {name for name, _ in kinds})
    values = [None if row[name] is None else encoded(kind, row[name]) for name, kind in kinds]
    return b"".join(b"\xff" * 4 if value is None else len(value).to_bytes(4, "big") + value for value in values)


def among(tag: bytes, ours: bytes, beside: dict) -> bytes:
    """The hash over a list of hashes of which ours is one."""
    only(beside, {"before", "after"})
    need(len(beside["before"]) + len(beside["after"]) < 32, "too long a list")
    hashes = [*(unhex(each, 32) for each in beside["before"]), ours, *(unhex(each, 32) for each in beside["after"])]
    return sha256(tag + b"".join(hashes)).digest()


def climb(ours: bytes, pairs: list) -> bytes:
    """The root of a Merkle tree from one of its leaves."""
    for pair in pairs:
        (side,) = pair
        need(side in ("left", "right"), "left or right is expected")
        other = unhex(pair[side], 32)
        ours = sha256(b"\1" + (other + ours if side == "left" else ours + other)).digest()
    return ours


def verify(proof: dict, key: str | None = None) -> dict:
    """The anchor's statement, if the proof holds. Raises ValueError (or its like for what is no proof at all) if not."""
    only(proof, {"format", "schema", "rows", "batch", "link", "links", "anchor", "public_key"})
    need(proof["format"] == "tongbao-proof/1", "another format")
    need(key is None or key == proof["public_key"], "another public key")
    commands = set()
    need(len(proof["rows"]) > 0, "nothing is proven")
    for part in proof["rows"]:
        only(part, {"table", "row", "blind", "groups", "command"})
        table, blind = part["table"], unhex(part["blind"], 16)
        ours = sha256(b"\2" + table.encode() + b"\0" + row_bytes(proof["schema"][table], part["row"]) + blind).digest()
        for group in part["groups"]:
            ours = among(b"\3", ours, group)
        commands.add(among(b"\0", ours, part["command"]))
    need(len(commands) == 1, "the rows do not come to one command")
    link = dict(proof["link"], hash="")
    need("hash" not in proof["link"] and climb(commands.pop(), proof["batch"]).hex() == link["root"], "not in this batch")
    root = climb(sha256(b"\4" + row_bytes(LINK, link)).digest(), proof["links"])
    only(proof["anchor"], {"statement", "signature"})
    text, public = proof["anchor"]["statement"].encode(), unhex(proof["public_key"], 32)
    Ed25519PublicKey.from_public_bytes(public).verify(unhex(proof["anchor"]["signature"], 64), text)
    statement = json.loads(text)
    schema = "".join(f"{name}: {proof['schema'][name]}\n" for name in sorted(proof["schema"]))
    need(statement["schema"] == sha256(schema.encode()).hexdigest(), "the columns are not those that were signed")
    end = [each for each in statement["writers"] if each["writer"] == link["writer"]]
    need(len(end) == 1 and end[0]["root"] == root.hex(), "not covered by this anchor")
    return statement


def main(arguments: list) -> int:
    """Check one file and say in words what is proven."""
    try:
        proof = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        said = verify(proof, *arguments[1:2])
    except OSError as failure:
        print(f"读不了这个文件。THE FILE CANNOT BE READ. ({failure})")
        return 1
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, InvalidSignature) as failure:
        print(f"证明不成立。THE PROOF DOES NOT HOLD. ({type(failure).__name__}: {failure})")
        return 1
    for part in proof["rows"]:
        print(f"{part['table']}:")
        for name, value in part["row"].items():
            print(f"    {name:<18} {value if str(value).isprintable() else ascii(value)}")
    link, key, at, number = proof["link"], proof["public_key"], said["at"], said["anchor"]
    print(f"证明成立：以上内容于 {link['decided_at']} 记入账本（批次 {link['writer']}:{link['sequence']}），此后未改。")
    print(f"公钥 {key} 的持有者已于 {at} 签名确认（第 {number} 号锚点）。")
    print(f"THE PROOF HOLDS: committed at {link['decided_at']} (batch {link['writer']}:{link['sequence']}), not changed since.")
    print(f"The holder of key {key} signed for that at {at} (anchor {number}).")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) in (2, 3) and sys.argv[1][:1] != "-" else "usage: PROOF.json [PUBLIC_KEY]")
