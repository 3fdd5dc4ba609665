"""Where the history of all runs is kept: a sqlite file, or a MySQL or PostgreSQL server named by its address.

Imports nothing heavy, so that the configuration can refuse a bad address at once.
"""

import functools
import logging
import os
import re
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import nsynth

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

PASSWORD_VARIABLE = "NSYNTH_METADATA_PASSWORD"
_PASSWORD_IN_TEXT = re.compile(r'(password"?: ")[^"]*(")')  # of protocol buffers, as text or JSON
_PORTS = {"mysql": 3306, "postgresql": 5432}
_REACH_S = 10
_GREETINGS = {"mysql": b"", "postgresql": struct.pack("!ii", 8, 80877103)}
"""What makes a server say something: MySQL speaks first, PostgreSQL is asked whether it can encrypt."""


class Address(NamedTuple):
    """A database on a server."""

    kind: str
    """mysql or postgresql."""
    host: str
    port: int
    user: str
    password: str
    database: str


def is_server(where: Path | str) -> bool:
    """Return whether `where` is the address of a server, not a file."""
    return "://" in str(where)


def parse(address: str) -> Address:
    """Take an address apart.

    Args:
      address: `postgresql://user@host:port/database`, or `mysql://…`. A password that it does not name is taken
        from the environment variable NSYNTH_METADATA_PASSWORD.

    Raises:
      nsynth.UserError: an address of another kind, or an incomplete one; the message does not tell the password.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # no number, or too large a one
        parts, port = urlsplit(""), None
    database = parts.path.strip("/")
    if parts.scheme not in _PORTS or not parts.hostname or not database or not parts.username:
        head, at, tail = address.rpartition("@")
        scheme, colon, _ = head.partition("://")
        shown = f"{scheme}{colon}…{at}{tail}"
        raise nsynth.UserError(
            f"metadata_server = {shown}: write postgresql://user@host:port/database or "
            f"mysql://user@host:port/database (the password may be in the environment as {PASSWORD_VARIABLE})"
        )
    password = unquote(parts.password or "") or os.environ.get(PASSWORD_VARIABLE, "")
    user = unquote(parts.username)
    return Address(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password, database)


def connection_config(where: Path | str) -> "mlmd.ConnectionConfig":
    """Return how ML Metadata gets at the history.

    Args:
      where: a sqlite file, made if it does not exist; or the address of a database, which must exist, while its
        tables are made.

    Raises:
      nsynth.UserError: a bad address.
    """
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    connection = mlmd.ConnectionConfig()
    if not is_server(where):
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        connection.sqlite.filename_uri = str(where)
        connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return connection
    address = parse(str(where))
    _keep_passwords_out_of_logs()
    server: mlmd.MySQLDatabaseConfig | mlmd.PostgreSQLDatabaseConfig
    if address.kind == "mysql":
        server = connection.mysql
        server.port, server.database = address.port, address.database
        if address.host == "localhost":  # to MySQL's library a socket file, whatever the port
            address = address._replace(host="127.0.0.1")
    else:
        from pipeline.history.postgresql import fix

        fix()
        server = connection.postgresql
        server.port, server.dbname = str(address.port), address.database
    server.host, server.user, server.password = address.host, address.user, address.password
    server.skip_db_creation = True
    return connection


@functools.cache
def _keep_passwords_out_of_logs() -> None:
    """TFX logs how it connects, whole."""
    make = logging.getLogRecordFactory()

    def make_without(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if "password" in (message := record.getMessage()):
            record.msg, record.args = _PASSWORD_IN_TEXT.sub(r"\1…\2", message), ()
        return record

    logging.setLogRecordFactory(make_without)


def connect(where: Path | str) -> "MetadataStore":
    """Open the history.

    Raises:
      nsynth.UserError: the server cannot be reached, or turns us away.
    """
    from ml_metadata.metadata_store import MetadataStore

    connection = connection_config(where)
    if is_server(where):
        _reach(parse(str(where)))
    try:
        return MetadataStore(connection)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        if not is_server(where):
            raise nsynth.UserError(f"the history {where} cannot be opened: {said}") from error
        address = parse(str(where))
        raise nsynth.UserError(
            f"the metadata server {address.host}:{address.port} rejects {address.user} for the database "
            f"{address.database} (check user, password and database): {said}"
        ) from error


def _reach(address: Address) -> None:
    """Tell why a server cannot be reached, since ML Metadata does not, and waits for ever for a silent one."""
    try:
        with socket.create_connection((address.host, address.port), timeout=_REACH_S) as server:
            server.sendall(_GREETINGS[address.kind])
            if not server.recv(1):
                raise ConnectionError("it hung up")
    except OSError as error:
        raise nsynth.UserError(
            f"the metadata server {address.host}:{address.port} cannot be reached: {error.strerror or error}"
        ) from error
