"""Builders that the tests of the core share: a toy domain, a whole world, a proxy that loses answers, a second process."""
