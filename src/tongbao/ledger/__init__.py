"""Accounts, journals, entries and holds: where money is, and how it came there."""
