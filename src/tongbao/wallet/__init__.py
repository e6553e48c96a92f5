"""A customer's money: balance, bank accounts, top-up and withdrawal, transfers, bills."""
