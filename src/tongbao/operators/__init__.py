"""Operators: what each may do, what two of them must agree on, and what each of them did and looked at."""
