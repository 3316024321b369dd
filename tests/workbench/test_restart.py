"""Workbenches of a daemon of their own, which restarts, on a bridge, not on the host."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_sfx.workbench.errors import WorkbenchRefused
from airflow_sfx.workbench.limits import Limits, Site
from airflow_sfx.workbench.workbenches import Workbenches
from tests.containers import docker, start_daemon, stop_daemon
from tools import images

IMAGE, BRIDGE = "small:1", b"sfxtest0"
SERVER = r"""
use IO::Socket::INET; $| = 1;
my $server = IO::Socket::INET->new(LocalAddr => $ENV{SFX_WORKBENCH_HOST}, Listen => 5,
    LocalPort => $ENV{SFX_WORKBENCH_PORT}, ReuseAddr => 1) or die;
print "served\n";
while (my $client = $server->accept) {
    my $status = index(<$client>, "token=$ENV{JUPYTER_TOKEN} ") >= 0 ? "200 OK" : "403 No";
    while (<$client> =~ /\S/) {}
    print $client "HTTP/1.0 $status\r\n\r\nhello";
    close $client;
}
"""
"""In Perl, which the smallest Debian has."""
_ADD, _DELETE, _ADDRESS, _FLAGS = 0x89A0, 0x89A1, 0x8916, 0x8914


@contextmanager
def bridge(address: str) -> Iterator[str]:
    """A bridge of this machine, which exists for the length of the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _ADD, BRIDGE)
        try:
            packed = struct.pack("16sHH4s8x", BRIDGE, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _ADDRESS, packed)
            fcntl.ioctl(control, _FLAGS, struct.pack("16sH14x", BRIDGE, 1))
            yield BRIDGE.decode()
        finally:
            fcntl.ioctl(control, _FLAGS, struct.pack("16sH14x", BRIDGE, 0))
            fcntl.ioctl(control, _DELETE, BRIDGE)


@pytest.fixture
def folder(docker_engine: str, core_image: str) -> Iterator[tuple[Path, str]]:
    """The folder of a daemon, and its bridge; Debian's archive is that below the images."""
    # The names of sockets are short: `tmp_path` is too long for those of the daemon.
    with bridge("10.213.77.1") as name, tempfile.TemporaryDirectory(prefix="sfx-") as short:
        place = Path(short)
        start_daemon(place, f"--bridge={name}")
        yield place, name
        stop_daemon(place)


def test_a_workbench_on_a_bridge_is_found_after_a_restart_of_the_daemon(folder) -> None:
    place, name = folder
    url = f"unix://{place}/docker.sock"
    command = json.dumps(["perl", "-e", SERVER])
    archive = str(images.CACHE / f"debian-{images.SUITE}.tar")
    docker("--host", url, "import", "--change", f"CMD {command}", archive, IMAGE)
    some = Workbenches(Site(Limits(images=(IMAGE,)), options={"url": url}))
    one = some.start(owner="alice", warehouse="hive://127.0.0.1:1?location=s3://b/p")
    ready = some.wait(one.id)
    assert (ready.state, ready.host) == ("running", "127.0.0.1"), some.log(one.id)
    address = some.address(one.id, "alice")
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{address}x", timeout=10)
    ports = json.loads(docker("--host", url, "inspect", f"sfx-workbench-{one.id}"))[0]
    assert ports["NetworkSettings"]["Ports"]["8888/tcp"][0]["HostIp"] == "127.0.0.1"
    stop_daemon(place)
    start_daemon(place, f"--bridge={name}")
    (found,) = some.all()
    assert (found.id, found.owner, found.state, found.port) == (one.id, "alice", "ended", 0)
    assert found.reason == "it was stopped, by its daemon, a person or its machine"
    assert some.log(one.id) == ["served"]
    with pytest.raises(WorkbenchRefused, match="no address .it was stopped"):
        some.address(one.id, "alice")
    some.stop(one.id)
    assert some.all() == []
