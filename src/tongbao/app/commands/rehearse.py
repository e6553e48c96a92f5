"""`tongbao rehearse`: see `backup`."""

from tongbao.app.commands.backup import rehearse as command

__all__ = ["command"]
