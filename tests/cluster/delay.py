"""Passes frames between two devices, those of the first one later: delay.py DEVICE TAP SECONDS.

Headers with what the kernel still has to do for a frame (checksums, cutting) go along.
"""

import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections import deque

_ALL_PROTOCOLS = 3
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_TUNSETIFF = 0x400454CA
_TAP, _NO_INFORMATION, _VNET_HDR = 0x0002, 0x1000, 0x4000
_LARGEST = 70_000
_OUTGOING = 4


def main(device: str, tap: str, seconds: float) -> None:
    """Until it is killed."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    port.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024**2)
    port.bind((device, _ALL_PROTOCOLS))
    switch = os.open("/dev/net/tun", os.O_RDWR)
    flags = _TAP | _NO_INFORMATION | _VNET_HDR
    fcntl.ioctl(switch, _TUNSETIFF, struct.pack("16sH22x", tap.encode(), flags))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([port.fileno(), switch], [], [], pause)
        if port.fileno() in ready:
            frame, (_, _, kind, *_) = port.recvfrom(_LARGEST)
            if kind != _OUTGOING:
                waiting.append((time.monotonic() + seconds, frame))
        if switch in ready:
            port.send(os.read(switch, _LARGEST))
        while waiting and waiting[0][0] <= time.monotonic():
            os.write(switch, waiting.popleft()[1])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
