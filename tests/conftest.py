"""What every test shares: no network beyond loopback, the optional shared folder, quiet child processes."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
pytest_plugins = ["pytester"]

# Children inherit these: a closed port stands in for every proxy, so what a child asks of the network fails at once.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", NO_PROXY="127.0.0.1,localhost", no_proxy="127.0.0.1,localhost")
os.environ.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve the other processes of a small machine
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "FER_ALLOW_DOWNLOAD", "FER_FACE_WEIGHTS"):
    os.environ.pop(_name, None)


# The same examples every time: main must not fail by chance. FER_EXPLORE=1 looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("explore", print_blob=True)
settings.load_profile("explore" if os.environ.get("FER_EXPLORE") else "repeatable")


class NetworkForbidden(OSError):
    """A test reached for an address beyond loopback."""


_reached: list[str] = []


def _is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if not isinstance(address, tuple) or _is_local(address[0]):
            return
    elif event == "socket.getaddrinfo":
        address = arguments[0]
        if _is_local(address):
            return
    else:
        return
    _reached.append(f"{event} {address}")
    raise NetworkForbidden(f"a test may not leave this machine: {event} {address}")


sys.addaudithook(_forbid)


@pytest.fixture(autouse=True)
def no_network() -> Iterator[list[str]]:
    """Any connection or name look-up beyond loopback raises, and fails the test even where the code under test swallows the error.

    Yields the list of what was reached for; the test of this very fixture clears it.
    """
    _reached.clear()
    yield _reached
    assert not _reached, f"this test reached for the network: {_reached}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` runs two tests side by side: those of one file one after another, and so all that drive Chromium, which needs a core for itself."""
    for item in items:
        place = item.path.relative_to(ROOT / "tests") if item.path.is_relative_to(ROOT / "tests") else item.path
        item.add_marker(pytest.mark.xdist_group("browser" if place.parts[0] == "browser" else str(place)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and data sets beside the checkout (or FER_SHARED); the test is skipped where it is absent."""
    folder = Path(os.environ.get("FER_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared reference data, absent here ({folder.name}; set FER_SHARED to its folder)")
    return folder
