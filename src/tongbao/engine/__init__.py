"""Commands, pure deciders, batches, two stores, the audit chain and the outbox."""
