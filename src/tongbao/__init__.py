"""Tongbao 通宝: an open, self-hosted electronic wallet and third-party payment platform."""

__version__ = "0.3.0"
