"""Where the history of all runs is kept: a sqlite file, or a MySQL or PostgreSQL server named by its address."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth

PASSWORD_VARIABLE = "NSYNTH_METADATA_PASSWORD"
_PORTS = {"mysql": 3306, "postgresql": 5432}


def connection_config(where: Path | str) -> mlmd.ConnectionConfig:
    """How ML Metadata gets at the history.

    Args:
      where: a sqlite file, made if it does not exist; or `postgresql://user@host:port/database`, or
        `mysql://…`. The database must exist; its tables are made. A password that the address does not
        name is taken from the environment variable NSYNTH_METADATA_PASSWORD.

    Raises:
      nsynth.UserError: an address of another kind, or an incomplete one.
    """
    connection = mlmd.ConnectionConfig()
    if "://" not in str(where):
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        connection.sqlite.filename_uri = str(where)
        connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return connection
    address = urlsplit(str(where))
    database = address.path.strip("/")
    if address.scheme not in _PORTS or not address.hostname or not database or not address.username:
        shown = str(where).replace(f":{address.password}@", ":…@")
        raise nsynth.UserError(
            f"metadata = {shown}: write postgresql://user@host:port/database, mysql://user@host:port/database "
            f"or the path of a sqlite file (the password may be in the environment as {PASSWORD_VARIABLE})"
        )
    password = unquote(address.password or "") or os.environ.get(PASSWORD_VARIABLE, "")
    port = address.port or _PORTS[address.scheme]
    user = unquote(address.username)
    if address.scheme == "mysql":
        connection.mysql.CopyFrom(
            mlmd.MySQLDatabaseConfig(
                host=address.hostname,
                port=port,
                user=user,
                password=password,
                database=database,
                skip_db_creation=True,
            )
        )
    else:
        connection.postgresql.CopyFrom(
            mlmd.PostgreSQLDatabaseConfig(
                host=address.hostname,
                port=str(port),
                user=user,
                password=password,
                dbname=database,
                skip_db_creation=True,
            )
        )
    return connection


def connect(where: Path | str) -> MetadataStore:
    """Opens the history.

    Raises:
      nsynth.UserError: the server does not answer, or turns us away.
    """
    try:
        return MetadataStore(connection_config(where))
    except RuntimeError as error:
        raise nsynth.UserError(f"the metadata server does not take us: {str(error).strip()[:300]}") from error
