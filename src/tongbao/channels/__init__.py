"""The outside world: one adapter a rail, and a simulated counterpart for each. Import from `tongbao.channels.api`."""
