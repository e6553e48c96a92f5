"""Paying by plain text: menus of a mobile network (USSD) and short messages, for phones that have nothing else."""
