"""The packs that ship: one file a jurisdiction, and `house`, the operator's own."""
