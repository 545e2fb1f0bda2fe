"""The address that a service listens on."""

from __future__ import annotations

import socket
from ipaddress import ip_address


class PortInUseError(Exception):
    """The address cannot be listened on."""


def address_of(host: str, port: int) -> str:
    """Write an address as gRPC reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone; one that cannot be found out cannot."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ip_address(str(place[0]).partition("%")[0]).is_loopback for *_, place in found)


def listening(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a bound socket to listen on.

    Args:
        shared: others of our own processes listen there too
    Raises:
        PortInUseError: it cannot be had
    """
    taken: socket.socket | None = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(place)
        taken.listen(1_024)
        taken.setblocking(False)
    except OSError as e:
        if taken is not None:
            taken.close()
        raise PortInUseError(f"cannot listen on {address_of(host, port)}: {(e.strerror or str(e)).lower()}") from None
    return taken


class Reserved:
    """An address that is taken; nobody but our own workers can listen there until it is closed.

    Attributes:
        port: the real one, where 0 was asked for
    """

    def __init__(self, *sockets: socket.socket) -> None:
        self._sockets = sockets
        self.port: int = sockets[0].getsockname()[1]

    def close(self) -> None:
        """Give the address back."""
        for one in self._sockets:
            one.close()


def reserve(host: str, port: int) -> Reserved:
    """Take an address, without listening: grpcio writes why that fails to stderr in its own words and tells us nothing.

    Workers share the port (SO_REUSEPORT), and each gets part of the connections. A second service must not share it too.

    Raises:
        PortInUseError: it cannot be had
    """
    sockets: list[socket.socket] = []
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        sockets.append(taken)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(place)
        # After the bind: before, it would also have shared with workers of another service.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Two that start at once are both bound before either listens; of this name there can be one alone.
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[1].bind(f"\0policybook/{place[0]}/{taken.getsockname()[1]}")
    except OSError as e:
        for one in sockets:
            one.close()
        why = (e.strerror or str(e)).lower()
        raise PortInUseError(f"cannot listen on {address_of(host, port)}: {why}") from None
    return Reserved(*sockets)
