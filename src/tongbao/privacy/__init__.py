"""People's rights over their data, and what those who hold it owe: consent, copies, correction, erasure, reviews, breaches."""
