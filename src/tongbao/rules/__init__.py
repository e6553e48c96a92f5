"""The law as data: packs of rules by jurisdiction, the counters they need, and what they say to an act."""
