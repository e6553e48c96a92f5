"""Benchmarks: what the product does in a second, beside what the same PostgreSQL does at the same minute.

    python -m bench ledger     two-entry journals through the engine
    python -m bench payments   whole payments through the engine
    python -m bench http       whole payments over HTTP, the load from another process
    python -m bench statement  a page of the statement of an account with a million entries
    python -m bench verify     a million journals compared with the audit chain
    python -m bench accounts   two-entry journals in a book of ten million accounts

Absolute figures depend on the machine and on its neighbours, so every run measures two yardsticks as well, on the same
server, interleaved with the work: `pgbench` (TPC-B, prepared), and a ceiling that writes the same rows by COPY and decides
nothing. The ratios are what to compare between machines and between versions.
"""
