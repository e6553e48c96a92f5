"""Keys, tokens, masking."""
