"""The payer's code: twenty digits that a phone makes without a network."""
