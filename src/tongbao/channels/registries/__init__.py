"""Those who know people: the adapter to the registries, and the registries in memory."""
