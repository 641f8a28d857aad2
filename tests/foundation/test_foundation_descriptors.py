# SPDX-License-Identifier: Apache-2.0
"""Numbers that somebody else closes and gives to files of his own."""

from __future__ import annotations

import os
import resource
import socket

import pytest

from ffe_otel.foundation import descriptors, sockets
from ffe_otel.foundation.descriptors import Descriptor, LostError


@pytest.fixture
def steal(tmp_path):
    """Closes a number and opens a file of the program's there."""
    stolen = []

    def _steal(number):
        os.close(number)
        path = tmp_path / f"own-{len(stolen)}"
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
        stolen.append((number, path, path.stat().st_ino))
        return path

    yield _steal
    for number, path, inode in stolen:
        assert os.fstat(number).st_ino == inode, "it was closed"
        assert path.read_bytes() == b""
        os.close(number)


def test_a_number_of_somebody_else_s_is_neither_written_to_nor_closed(tmp_path, steal):
    file = Descriptor.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT)
    descriptors.write_all(file, b"x")
    steal(file.number)
    assert not file.ours
    for act in (
        lambda: descriptors.write_all(file, b"y"),
        lambda: descriptors.append_all(file, b"y"),
        lambda: descriptors.lock(file),
        file.duplicate,
        lambda: file.number,
    ):
        with pytest.raises(LostError):
            act()
    descriptors.unlock(file)
    file.close()
    assert (tmp_path / "ours").read_bytes() == b"x"


def test_a_file_that_got_the_inode_of_ours_is_not_ours(tmp_path):
    file = Descriptor.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT)
    number, inode = file.number, os.fstat(file.number).st_ino
    os.close(number)
    (tmp_path / "ours").unlink()
    for attempt in range(50):  # most file systems give the lowest free one
        other = os.open(tmp_path / f"own-{attempt}", os.O_RDWR | os.O_CREAT)
        os.dup2(other, number)
        os.close(other)
        if os.fstat(number).st_ino == inode:
            break
    assert not file.is_at(tmp_path / "ours")
    if descriptors.identity(number)[2]:  # the file system tells them apart
        assert not file.ours
        file.close()
    os.close(number)


def test_numbers_are_high_and_not_inherited(tmp_path):
    with Descriptor.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT) as file:
        lowest = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4)
        assert file.number >= lowest
        assert not os.get_inheritable(file.number)


def test_where_there_is_no_high_number_any_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 30, 1 << 30))
    monkeypatch.setattr(descriptors, "_LOWEST", 1 << 29)
    with Descriptor.open(tmp_path / "ours", os.O_RDWR | os.O_CREAT) as file:
        descriptors.write_all(file, b"x")
    assert (tmp_path / "ours").read_bytes() == b"x"


def test_a_socket_of_somebody_else_s_is_neither_sent_to_nor_closed(steal):
    left, right = socket.socketpair()
    ours = sockets.OwnedSocket.of(left)
    steal(ours.fileno())
    with pytest.raises(LostError):
        ours.sendall(b"x")
    assert ours.fileno() == -1
    ours.close()
    right.close()


@pytest.mark.parametrize("end", ["closed", "forgotten"])
def test_a_socket_does_not_close_what_has_its_number(steal, end):
    left, right = socket.socketpair()
    ours = sockets.OwnedSocket.of(left)
    reader = ours.makefile("rb")
    steal(ours.fileno())
    if end == "closed":
        reader.close()
        ours.close()
    del reader, ours
    right.close()


def test_a_socket_of_ours_is_closed(steal):
    left, right = socket.socketpair()
    ours = sockets.OwnedSocket.of(left)
    number = ours.fileno()
    del ours
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    assert right.recv(1) == b""
    right.close()
