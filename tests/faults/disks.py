"""Small disks: mounted where only this thread and what it starts from then on see them, gone with them."""

import ctypes
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["mount_small_disks"]

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000


def mount_small_disks(folders: Iterable[Path], size: str = "200m") -> None:
    """A disk of ``size`` at each of the folders, which are made; needs no rights where users may have namespaces.

    To be called before this process has a second thread. Raises OSError where the system does not let it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)):
        raise OSError(ctypes.get_errno(), "no mounts of one's own, so a full disk cannot be tried here")
    if user:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"0 {user} 1")
        (own / "gid_map").write_text(f"0 {group} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for folder in folders:
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
