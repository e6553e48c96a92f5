"""Merchants, their stores, fee plans and API keys. Onboarding with checks joins in part 5."""
