"""Orders, payments and refunds. Authorisation and capture, splits, agreements and escrow join in part 4."""
