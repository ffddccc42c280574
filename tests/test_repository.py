"""What stands in two places says the same: the front matter, the pins, what is installed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.sources import ROOT

PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[\w+\])?==(\S+)$")


def pins(file: str) -> dict[str, str]:
    """name -> version of a requirements file; anything that is no exact pin fails."""
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    found = [(line, PIN.match(line)) for line in lines if line and not line.startswith("-r ")]
    assert [line for line, match in found if match is None] == []
    return {match[1]: match[2] for _, match in found if match}


def front_matter() -> dict[str, object]:
    text = (ROOT / "README.md").read_text()
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("---\n")[1])


def test_the_space_runs_the_gradio_that_is_pinned():
    matter = front_matter()
    assert matter["sdk"] == "gradio" and matter["sdk_version"] == pins("requirements.txt")["gradio"]
    assert matter["app_file"] == "app.py" and matter["python_version"] == "3.11" and matter["title"] and matter["emoji"] and matter["license"] == "apache-2.0"
    assert len(str(matter["short_description"])) <= 60  # the hub refuses more


def test_the_licence_is_the_one_named():
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_installed_is_what_is_pinned(file):
    installed = {package: importlib.metadata.version(package).split("+")[0] for package in pins(file)}
    assert installed == pins(file)


def test_a_cpu_torch_brings_no_cuda_packages():
    import torch

    cuda = [found.name for found in importlib.metadata.distributions() if found.name.lower().startswith(("nvidia-", "triton"))]
    assert torch.__version__.split("+")[0] == pins("requirements.txt")["torch"]
    assert torch.version.cuda is not None or cuda == []


def test_python_version_is_the_same_everywhere():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = str(front_matter()["python_version"])
    assert settings["tool"]["mypy"]["python_version"] == version and settings["tool"]["ruff"]["target-version"] == "py" + version.replace(".", "")


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "bench"])
def test_make_knows_its_targets_and_set_up_comes_first(target):
    """A dry run with nothing installed: the plan starts with the set-up, torch before the rest."""
    plan = subprocess.run(["make", "-n", target, "APP=.none/app", "DEV=.none/dev"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    torch, rest = plan.find("grep '^torch=='"), plan.find("-r requirements.txt")
    assert 0 < torch < rest
    assert ("requirements-dev.txt" in plan) == (target in ("setup", "test", "check"))


def test_continuous_integration_runs_make_test():
    script = ROOT / ".ci/run"
    assert script.read_text().rstrip().endswith("exec make test") and os.access(script, os.X_OK)


def test_warnings_are_errors_here():
    with pytest.raises(DeprecationWarning):
        __import__("warnings").warn("old", DeprecationWarning, stacklevel=1)
    assert sys.version_info >= (3, 11)
