"""Small disks of their own, which fill up, become read-only or vanish, in a private namespace.

The disk is mounted where only the commands of the test see it: nothing is left behind, whatever
happens to the tests. The tests look at it through the process that holds it.
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = 4096
BALLAST = "ballast"


class Disk:
    """A file system in memory, mounted at `path` for commands; the tests see it at `seen`."""

    def __init__(self, path, kilobytes):
        self.path = Path(path)
        if missing := [tool for tool in ("unshare", "nsenter") if shutil.which(tool) is None]:
            pytest.skip(f"no disk can be mounted here without {' and '.join(missing)}")
        mount = f'mount -t tmpfs -o size={kilobytes}k tmpfs "$0" && echo on && read x'
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "on\n":
            pytest.skip(f"no disk can be mounted here: {self._holder.communicate()[1].strip()}")
        self.seen = Path(f"/proc/{self._holder.pid}/root{self.path}")

    def close(self):
        with self._holder:
            self._holder.kill()

    def sees(self, command):
        """Return a command as one that sees the disk."""
        target = ("--target", str(self._holder.pid))
        return ["nsenter", "--preserve-credentials", "--user", "--mount", *target, *command]

    def fill(self, *, but=0):
        """Fill the disk, but for a number of bytes."""
        with (self.seen / BALLAST).open("wb", buffering=0) as file:
            for size in (1 << 16, PAGE, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
            if but:
                file.truncate(max(0, file.tell() - but))

    def free(self):
        (self.seen / BALLAST).unlink()

    def protect(self):
        """Make the disk read-only."""
        self._call("mount", "-o", "remount,bind,ro", self.path)

    def vanish(self):
        """Take the disk away, as an unplugged one; where it was, there is an empty folder."""
        self._call("umount", "--lazy", self.path)

    def files(self):
        """Return the content of all files but the ballast, by their names."""
        found = {}
        for path in sorted(self.seen.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.name != BALLAST:
                    found[os.fspath(path.relative_to(self.seen))] = path.read_bytes()
        return found

    def _call(self, *command):
        subprocess.run(self.sees(list(map(str, command))), check=True, capture_output=True)
