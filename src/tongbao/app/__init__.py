"""The composition root: settings, registry, ASGI application, worker, command line."""
