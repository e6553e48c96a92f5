"""`tongbao restore`: see `backup`."""

from tongbao.app.commands.backup import restore as command

__all__ = ["command"]
