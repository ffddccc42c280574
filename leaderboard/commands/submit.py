"""``python -m leaderboard submit FILE|--hub ORG/NAME --benchmark NAME --name NAME --training-data TEXT --epoch-selection TEXT``."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from leaderboard.commands.common import opened, scratch_folder
from leaderboard.commands.worker import check_device
from leaderboard.fetch import HubUnavailable, download, resolve
from leaderboard.form import Form, choose_benchmarks
from leaderboard.names import SubmissionError
from leaderboard.submission import Prepared, local_source, prepare, submit
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="FILE", nargs="?", help="a checkpoint on this machine; with --hub: which file of the repository")
    parser.add_argument("--hub", metavar="ORG/NAME", help="take it from this public Hugging Face repository")
    parser.add_argument("--revision", default="main", help="branch, tag or commit of the repository; resolved to a commit at once (default: main)")
    parser.add_argument("--benchmark", metavar="NAME[/PROTOCOL]", action="append", required=True, help="may be given several times")
    parser.add_argument("--name", required=True, help="the model's name on the leaderboard")
    parser.add_argument("--training-data", required=True, metavar="TEXT", help="what it was trained on; unknown is an answer")
    parser.add_argument("--epoch-selection", required=True, metavar="TEXT", help="on what the epoch was chosen; unknown is an answer")
    parser.add_argument("--paper", default="", metavar="LINK", help="https link")
    parser.add_argument("--code", default="", metavar="LINK", help="https link")
    parser.add_argument("--labels", metavar="ORDER", help="the label order it was trained with: a name such as raf-db, or a list")
    parser.add_argument("--channels", choices=("rgb", "bgr", "grey"), help="the channel order it was trained with")
    parser.add_argument("--accept", action="store_true", help="confirm the label and channel order that `python -m poster inspect` proposes")
    parser.add_argument("--user", help="who submits (default: your name on this machine)")
    parser.add_argument("--device", default="cpu", help="for the dry run (default: cpu)")


def this_user() -> str:
    """The user's name on this machine. Raises SubmissionError where there is none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise SubmissionError("This machine does not know your name; say who submits with --user NAME.") from error


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    form = Form(
        name=options.name, submitted_by=options.user or this_user(), training_data=options.training_data, epoch_selection=options.epoch_selection,
        benchmarks=choose_benchmarks(options.benchmark), paper=options.paper, code=options.code, labels=options.labels, channels=options.channels,
        accepted=options.accept,
    )  # fmt: skip

    def say(step: str) -> None:
        sys.stderr.write(f"{step}\n")

    check_device(options.device)
    with opened() as (store, config), scratch_folder(config) as folder:
        if options.hub:
            try:
                file = resolve(config, options.hub, options.revision, options.checkpoint or "")
                say(f"fetching {file.filename} of {file.repo} at commit {file.commit[:7]}, {file.size / 1048576:.1f} MiB")
                path, source = download(config, file, folder), str(file)
            except HubUnavailable as error:
                raise InputError(str(error)) from error
        elif options.checkpoint:
            path = Path(options.checkpoint)
            source = local_source(path)
        else:
            raise SubmissionError("Name a checkpoint: a FILE, or --hub ORGANISATION/NAME.")
        prepared = prepare(store, config, path, source, form, say, options.device)
        queued = submit(store, config, form, prepared) if isinstance(prepared, Prepared) else prepared
    answer: dict[str, Any] = {
        "jobs": [{"id": one.job.id, "benchmark": one.job.benchmark, "protocol": one.job.protocol, "state": one.job.state, "new": one.is_new} for one in queued]
    }
    lines = []
    for one in queued:
        what = "queued" if one.is_new else f"is there already ({one.job.state}): the same weights are run once"
        lines.append(f"Job {one.job.id} on {one.job.benchmark}/{one.job.protocol} {what}.")
    if isinstance(prepared, Prepared):
        contract = prepared.contract
        answer |= {
            "weights_sha256": prepared.weights_sha256, "architecture": contract.architecture, "labels": list(contract.labels), "channels": contract.channels,
            "probe": dict(prepared.probe), "warnings": list(prepared.warnings),
        }  # fmt: skip
        lines.insert(0, f"{contract.architecture}, {contract.channels}, labels {', '.join(contract.labels)}; the dry run passed.")
        lines += [f"Note: {warning}" for warning in prepared.warnings]
    return answer, "\n".join([*lines, "Follow it with: python -m leaderboard status --watch"])
