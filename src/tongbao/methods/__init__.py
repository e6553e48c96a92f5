"""Ways to establish who authorises what: a code on a screen or a wall, a tap, a face."""
