"""What the reader's child process gives up before it looks at an untrusted file: memory, time, the network, the file system.

The resource limits are certain on every POSIX system. The rest is taken where the kernel grants it and missed quietly where
not: a network namespace of its own, and Landlock (Linux 5.13 and later), which hides every file but Python's own.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

# From the kernel's headers: sched.h, prctl.h, landlock.h and the common system call table.
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000
_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FS_EXECUTE, _FS_READ_FILE, _FS_READ_DIR = 1, 4, 8


@dataclass(frozen=True)
class Limits:
    """How much one checkpoint may cost. Bytes and seconds; the rates let big honest files through.

    max_bytes: of the file. memory: RLIMIT_DATA beyond twice the file. cpu, wall: seconds for a small file;
    per_gib: seconds more, of both, for every GiB.
    """

    max_bytes: int = 2 << 30
    memory: int = 1 << 30
    cpu: float = 20.0
    wall: float = 120.0
    per_gib: float = 60.0

    def cpu_seconds(self, size: int) -> int:
        return int(self.cpu + self.per_gib * size / (1 << 30)) + 1

    def wall_seconds(self, size: int) -> float:
        return self.wall + self.per_gib * size / (1 << 30)


def clean_environment(folder: str) -> dict[str, str]:
    """The whole environment of the child: nothing of ours but where shared libraries lie. ``folder`` is home and scratch."""
    environment = {"HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8", "CUDA_VISIBLE_DEVICES": ""}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return environment | {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}


def fd_path(opened: int) -> str:
    """A path that opens the very file behind a descriptor again, whatever its name now is."""
    return f"/proc/self/fd/{opened}" if Path("/proc/self/fd").is_dir() else f"/dev/fd/{opened}"


def leave_network() -> bool:
    """Move this process into a network namespace without interfaces; False where that is not permitted."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def limit_resources(size: int, limits: Limits) -> None:
    """Bound this process for a file of ``size`` bytes: memory, processor seconds, bytes written, no core dump."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])  # what importing torch took is not the file's
    _lower(resource.RLIMIT_DATA, limits.memory + 2 * size)
    _lower(resource.RLIMIT_CPU, int(used) + limits.cpu_seconds(size))
    _lower(resource.RLIMIT_FSIZE, 2 * size + 32 * MIB)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 64)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def hide_files(readable: Iterable[int]) -> bool:
    """Landlock: from now on only Python's own folders and the open files ``readable`` can be opened, and those only for reading.

    Also refuses TCP, and signals and tracing towards processes outside, where the kernel knows how. False where Landlock is not available.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    abi = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return False
    handled = (1 << (13 + (abi >= 2) + (abi >= 3))) - 1  # every file access this kernel knows; devices' ioctl are left alone
    attributes = (ctypes.c_uint64 * 3)(handled, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    for folder in _python_folders():
        opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        _allow(libc, rules, opened, _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR)
        os.close(opened)
    for opened in readable:
        _allow(libc, rules, opened, _FS_READ_FILE)
    done = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return done


def _allow(libc: ctypes.CDLL, rules: int, opened: int, access: int) -> None:
    beneath = access.to_bytes(8, "little") + opened.to_bytes(4, "little")  # struct landlock_path_beneath_attr, packed
    libc.syscall(_LANDLOCK_ADD, rules, 1, ctypes.c_char_p(beneath), 0)


def _python_folders() -> set[str]:
    """Where Python, torch and the shared libraries under them live."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/proc/self", "/sys/devices/system/cpu"}
    return {folder for folder in folders if Path(folder).is_dir()}
