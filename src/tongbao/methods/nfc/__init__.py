"""A tap: a token in a phone or a card answers a till over ISO 7816 commands."""
