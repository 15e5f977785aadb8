"""A link that is slow: two devices of the system, and a process that passes each frame from one to the other later.

``tc netem`` does this where the kernel has it; many have not. Use: ``relay.py LINK INNER SECONDS``.
"""

import contextlib
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

MAKE_DEVICE = 0x400454CA  # TUNSETIFF
FRAMES_WITHOUT_HEADER = 0x0002 | 0x1000  # IFF_TAP | IFF_NO_PI
LONGEST = 1 << 16
MOST = 20_000  # frames that are under way; what comes after them is lost, as on a real link


def device(name: str) -> int:
    """A new device of this name, whose frames come from and go to a file."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, MAKE_DEVICE, struct.pack("16sH", name.encode(), FRAMES_WITHOUT_HEADER))
    return file


def relay(first: int, second: int, seconds: float) -> None:
    """Pass frames both ways, each so many seconds after it came. Ends when a device is gone."""
    under_way: dict[int, deque[tuple[float, bytes]]] = {first: deque(), second: deque()}
    other = {first: second, second: first}
    while True:
        due = min((frames[0][0] for frames in under_way.values() if frames), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        for file in select.select([first, second], [], [], wait)[0]:
            frame = os.read(file, LONGEST)
            if not frame:
                return
            if len(under_way[file]) < MOST:
                under_way[file].append((time.monotonic() + seconds, frame))
        now = time.monotonic()
        for file, frames in under_way.items():
            while frames and frames[0][0] <= now:
                with contextlib.suppress(OSError):  # the device is down, or its queue is full: the frame is lost
                    os.write(other[file], frames.popleft()[1])


if __name__ == "__main__":
    link, inner, seconds = sys.argv[1:]
    relay(device(link), device(inner), float(seconds))
