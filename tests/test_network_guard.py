"""The fixture that keeps every test on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80), ("8.8.8.8", 53)])
def test_connections_beyond_loopback_raise(address, no_network):
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as one, pytest.raises(OSError, match="may not leave this machine"):
        one.connect(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(OSError, match="may not leave this machine"):
        one.sendto(b"x", ("192.0.2.1", 53))
    assert len(no_network) == 2
    no_network.clear()


def test_names_are_not_looked_up(no_network):
    with pytest.raises(OSError, match="may not leave this machine"):
        socket.getaddrinfo("example.org", 443)
    assert no_network == ["socket.getaddrinfo example.org"]
    no_network.clear()


def test_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client:
            assert client.recv(1) == b""


def test_children_reach_nothing_either():
    """A child process asks the proxy it inherits, and that is a closed port."""
    program = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=20)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "refused" in done.stderr
    assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} & set(os.environ)
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen("http://192.0.2.1/", timeout=20)


def test_a_swallowed_attempt_still_fails_its_test(pytester):
    """The code under test may catch the error; the test must fail all the same."""
    from tests.sources import ROOT

    pytester.makeconftest((ROOT / "tests/conftest.py").read_text())
    pytester.makepyfile(
        "import socket\ndef test_one():\n    try:\n        socket.create_connection(('192.0.2.1', 80), timeout=1)\n    except OSError:\n        pass\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*reached for the network*192.0.2.1*"])
