"""Real names: who a customer is, how that was checked, and the level that follows from it."""
