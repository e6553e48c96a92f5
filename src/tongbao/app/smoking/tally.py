"""What the books must say, worked out apart from the product: plain integers of fen, and the rules as a reader would put them.

Nothing here may import the ledger, the money or the payment rules: a mistake in those must not be repeated here.
"""

from __future__ import annotations

from collections import Counter

RESERVE, TRANSIT, FEES = "1001", "2301", "4001"
WALLETS, MERCHANTS = "2001", "2101"


def yuan(fen: int) -> str:
    """Fen as the wire writes them: two places always."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}"


def fee_of(fen: int, ppm: int) -> int:
    """A merchant's fee: so many millionths of the amount, half a fen counting as a whole one."""
    whole, rest = divmod(fen * ppm, 1_000_000)
    return whole + (1 if rest * 2 >= 1_000_000 else 0)


def fee_given_back(fee: int, paid: int, refunded: int) -> int:
    """How much of a fee goes back once `refunded` of `paid` did: in proportion, broken fen staying with us."""
    return fee * refunded // paid


class Tally:
    """Balances in fen by (chart code, owner), how many journals and entries there are, and what passed through the bank.

    `fee_error` is added to every fee: how a test shows that the story notices a fen.
    """

    def __init__(self, fee_ppm: int, fee_error: int = 0) -> None:
        self.fee_ppm = fee_ppm
        self.balances: Counter[tuple[str, str]] = Counter()
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.journals = 0
        self.entries = 0
        self.bank_lines: dict[str, tuple[str, int]] = {}
        self._fee_error = fee_error

    def fee(self, fen: int) -> int:
        """The fee of a payment."""
        return fee_of(fen, self.fee_ppm) + self._fee_error

    def wallet(self, who: str) -> int:
        """A person's balance."""
        return self.balances[WALLETS, who]

    def total(self, code: str) -> int:
        """The sum of all accounts of one chart line."""
        return sum(fen for (line, _), fen in self.balances.items() if line == code)

    def topped_up(self, who: str, fen: int, reference: str) -> None:
        self._post({(WALLETS, who): fen, (RESERVE, ""): -fen})
        self.bank_lines[reference] = ("debit", fen)

    def withdrawal_started(self, who: str, fen: int) -> None:
        self._post({(WALLETS, who): -fen, (TRANSIT, ""): fen})

    def withdrawal_done(self, fen: int, reference: str) -> None:
        self._post({(TRANSIT, ""): -fen, (RESERVE, ""): fen})
        self.bank_lines[reference] = ("credit", fen)

    def sent(self, payer: str, payee: str, fen: int) -> None:
        self._post({(WALLETS, payer): -fen, (WALLETS, payee): fen})

    def paid(self, payer: str, merchant: str, fen: int) -> int:
        """A payment; answers its fee."""
        fee = self.fee(fen)
        self._post({(WALLETS, payer): -fen, (MERCHANTS, merchant): fen - fee, (FEES, ""): fee})
        return fee

    def refunded(self, payer: str, merchant: str, fen: int, *, of: int) -> int:
        """The first refund of a payment of `of` fen; answers how much of the fee went back."""
        back = fee_given_back(self.fee(of), of, fen)
        self._post({(WALLETS, payer): fen, (MERCHANTS, merchant): back - fen, (FEES, ""): -back})
        return back

    def _post(self, legs: dict[tuple[str, str], int]) -> None:
        if sum(legs.values()):
            raise ValueError("the story's own tally does not balance")
        self.journals += 1
        for (code, owner), fen in legs.items():
            if fen:
                self.entries += 1
                self.balances[code, owner] += fen
                if code == WALLETS:
                    (self.entered if fen > 0 else self.left)[owner] += abs(fen)
