"""Routes of anchors and proofs: what lets others check the books without trusting us."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import Parameter

from tongbao.app.audit import NOTHING_TO_PROVE, Audit
from tongbao.engine.proofs import Proof
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.merchants.http import merchant_of
from tongbao.payments.service import PaymentService

_MOST_ANCHORS = 1000

PathText = Annotated[str, Parameter(max_length=64)]
QueryText = Annotated[str | None, Parameter(query=None, max_length=80)]


class AnchorAnswer(msgspec.Struct, frozen=True):
    """A signed end of the audit chain: the statement is JSON text, signed as it stands."""

    number: int
    statement: str
    signature: str


class AnchorsAnswer(msgspec.Struct, frozen=True):
    """Anchors in order. `next` is what to ask for `after` next, null at the end."""

    algorithm: str
    public_key: str
    anchors: list[AnchorAnswer]
    next: int | None


def _download(proof: Proof, name: str) -> Response[Proof]:
    return Response(proof, headers={"Content-Disposition": f'attachment; filename="{name}.proof.json"'})


@get("/v1/anchors", tags=["Audit"], security=[])
async def published_anchors(
    audit: Audit,
    after: Annotated[int, Parameter(ge=0, le=1 << 53)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=_MOST_ANCHORS)] = 100,
) -> Response[AnchorsAnswer]:
    """Signed ends of the audit chain, for everybody to keep: with a copy it shows if history is ever rewritten or cut off."""
    found = await audit.anchors_after(after, limit)
    full = len(found) == limit
    answer = AnchorsAnswer(
        "Ed25519",
        audit.public_key.hex(),
        [AnchorAnswer(each.number, each.statement, each.signature) for each in found],
        found[-1].number if full else None,
    )
    # A full page never changes; the last one grows within a minute.
    return Response(answer, headers={"Cache-Control": f"public, max-age={86_400 if full else 10}"})


@get("/v1/wallet/bills/{bill_id:str}/proof", tags=["Wallet"])
async def bill_proof(customer: Caller, audit: Audit, bill_id: PathText) -> Response[Proof]:
    """A file that proves this bill to anybody, offline (`tools/verify_proof.py`)."""
    wanted = web.parse_id(bill_id, NOTHING_TO_PROVE)
    return _download(await audit.prove_bill(customer.principal_id, wanted), f"tongbao-{wanted}")


@get("/v1/merchant/orders/{out_trade_no:str}/proof", tags=["Orders"])
async def order_proof(staff: Caller, audit: Audit, payments: PaymentService, out_trade_no: PathText) -> Response[Proof]:
    """A file that proves this order's payment to anybody, offline: its journal and the merchant's own entries in it."""
    payment = await payments.order(merchant_of(staff), out_trade_no)
    if payment.journal_id is None:
        raise Refusal(NOTHING_TO_PROVE)
    return _download(await audit.prove_journal(payment.journal_id, payment.merchant_id), f"tongbao-{payment.payment_id}")


@get("/v1/console/proofs", tags=["Console"])
async def console_proof(
    operator: Caller,
    audit: Audit,
    entry: QueryText = None,
    journal: QueryText = None,
    receipt: QueryText = None,
    command: QueryText = None,
) -> Response[Proof]:
    """The proof of an entry (`account:version`), a journal with its entries, a receipt (a bill), or a command: exactly one.
    Whose rows it shows is recorded, as of an account's page."""
    if sum(each is not None for each in (entry, journal, receipt, command)) != 1:
        raise Refusal(NOTHING_TO_PROVE)
    if entry is not None:
        account, _, version = entry.partition(":")
        if not version.isdecimal() or len(version) > 18:
            raise Refusal(NOTHING_TO_PROVE)
        proof = await audit.prove_entry(web.parse_id(account, NOTHING_TO_PROVE), int(version))
    elif journal is not None:
        proof = await audit.prove_journal(web.parse_id(journal, NOTHING_TO_PROVE))
    elif receipt is not None:
        proof = await audit.prove_receipt(web.parse_id(receipt, NOTHING_TO_PROVE))
    else:
        proof = await audit.prove_command(web.parse_id(command or "", NOTHING_TO_PROVE))
    return _download(proof, "tongbao")


#: `console_proof` is in the console's own table.
ROUTES = (published_anchors, bill_proof, order_proof)
