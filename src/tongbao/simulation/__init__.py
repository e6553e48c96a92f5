"""The whole platform in one process: virtual days, seeded trouble, an auditor. One seed is one run, and always the same run."""
