"""The counterparts of our channels, as programs of their own: they share no memory and no database with the platform."""
