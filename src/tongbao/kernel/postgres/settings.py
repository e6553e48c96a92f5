"""The text of the server's two configuration files, written afresh at every start.

An operator's own settings go into `local.conf` in the data directory, which is read last, or through `alter system`.
"""

from __future__ import annotations

import os
from pathlib import Path

_MEGABYTE = 1 << 20

#: Nobody is trusted: a password everywhere, by SCRAM (RFC 5802, RFC 7677), also on the socket.
HBA = """\
# TYPE  DATABASE     USER  ADDRESS        METHOD
local   all          all                  scram-sha-256
local   replication  all                  scram-sha-256
host    all          all   127.0.0.1/32   scram-sha-256
host    replication  all   127.0.0.1/32   scram-sha-256
"""

_COMMON = {
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": "5min",
    "autovacuum_naptime": "15s",
    # A week of logs, then over the oldest. What people typed or paid never enters them: terse leaves out the DETAIL
    # line, which quotes rows, and no parameter of a statement is written.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %a ",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_duration_statement": "1s",
    "log_lock_waits": "on",
    "log_checkpoints": "on",
}

#: An acknowledged commit survives the loss of power.
_DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
}

#: For tests only: survives the death of the server, not of the machine.
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "30min",
}


def postgresql_conf(*, socket_directory: Path, socket_port: int, tcp: bool, durable: bool) -> str:
    """The text of postgresql.conf. Without `tcp` the server listens on its socket alone; with it, on 127.0.0.1 too."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEGABYTE
    buffers = min(4096 if durable else 128, max(memory // 4, 16))
    settings = {
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(socket_port),
        "unix_socket_directories": str(socket_directory),
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{min(4096, max(memory // 2, 64))}MB",
        **_COMMON,
        **(_DURABLE if durable else _NOT_DURABLE),
    }
    lines = ["# Written by Tongbao at every start. Put your own settings into local.conf beside this file."]
    lines += [f"{name} = '{value}'" for name, value in settings.items()]
    lines += ["include_if_exists 'local.conf'", ""]
    return "\n".join(lines)
