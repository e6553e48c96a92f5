"""`tongbao serve`: the HTTP server, one or several processes over one socket."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading

import click
import structlog
import uvicorn

from tongbao.app import logs, runtime
from tongbao.app.asgi import application, protocol
from tongbao.app.settings import Settings

#: More are answered 503 at once. Their waiting is bounded otherwise (`most_wait_s`); this bounds memory, some 10 kB each.
_MOST_CONNECTIONS = 10_000

#: For two years a browser that has seen us comes by TLS alone. Source: RFC 6797, 6.1.
_ONLY_TLS = (("strict-transport-security", "max-age=63072000; includeSubDomains"),)

_log = structlog.get_logger("tongbao.app")


@click.command("serve", help="Run the HTTP server. TONGBAO_PROCESSES says how many processes share the port.")
def command() -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    # The port first: a server that cannot listen should not leave a database running.
    with listening_socket(settings.host, settings.port) as bound:
        dsn = asyncio.run(runtime.open_database(settings))
        runtime.keys(settings)  # made before the processes start, so that they agree
        click.echo(f"tongbao on http://{settings.host}:{bound.getsockname()[1]}", err=True)
        if settings.processes == 1:
            run(settings, dsn, bound)
        else:
            sys.exit(_run_several(settings, dsn, bound))


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening TCP socket. IPPROTO_TCP is said aloud because asyncio turns Nagle's algorithm off only where it sees it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(f"cannot listen on {host}:{port}: {reason}; choose another with TONGBAO_PORT") from None
    bound.listen(2048)
    bound.setblocking(False)
    bound.set_inheritable(True)
    return bound


def accepting(bound: socket.socket) -> list[socket.socket]:
    """The listening socket and fifteen copies of its descriptor, none of which blocks.

    The loop accepts one connection a turn from each listening descriptor, and a turn under load takes milliseconds: with one
    descriptor a crowd that arrives together waited two seconds for its first word, with sixteen of the same socket a third.
    A socket that came from the parent believes that it blocks, and its `dup` would make it so for every process that shares
    it: the one that serves already would hang in accept until the next connection comes.
    """
    bound.setblocking(False)
    return [bound, *(bound.dup() for _ in range(15))]


def run(settings: Settings, dsn: str, bound: socket.socket) -> None:
    """Serve until told to stop."""
    runtime.calm_collector()
    app = application(settings, dsn)
    config = uvicorn.Config(
        app, loop="uvloop", http=protocol(app, settings), ws="none", lifespan="on", log_level="warning",
        access_log=False, server_header=False, proxy_headers=False,
        headers=list(_ONLY_TLS) if settings.secure_cookies else [], timeout_keep_alive=30, timeout_graceful_shutdown=5,
        limit_concurrency=_MOST_CONNECTIONS,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=accepting(bound))


def _child(settings: Settings, dsn: str, bound: socket.socket) -> None:
    logs.configure(as_json=settings.log_json)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    run(settings, dsn, bound)


def _stop_with_parent() -> None:
    """A parent that was killed could not tell its children: they would hold the port against its successor."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _run_several(settings: Settings, dsn: str, bound: socket.socket) -> int:
    """Start the processes, start again one that dies, stop all on SIGTERM or SIGINT."""
    context = multiprocessing.get_context("spawn")
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    def start() -> multiprocessing.process.BaseProcess:
        child = context.Process(target=_child, args=(settings, dsn, bound))
        child.start()
        return child

    children = [start() for _ in range(settings.processes)]
    while not stopping:
        for at, child in enumerate(children):
            child.join(0.2 / len(children))
            if not child.is_alive() and not stopping:
                _log.error("server_process_died", pid=child.pid, code=child.exitcode)
                children[at] = start()
    for child in children:
        if child.pid:
            os.kill(child.pid, signal.SIGTERM)
    for child in children:
        child.join(15)
        if child.is_alive():
            child.kill()
    return 0
