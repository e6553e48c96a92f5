"""Codes that a merchant shows and a customer scans. What others may use is in `api`."""
