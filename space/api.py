"""What the app offers to programs: typed functions, over HTTP with gradio_client and as MCP tools."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from leaderboard.board import Board
from leaderboard.status import job_lines
from leaderboard.store import Store
from poster.errors import InputError
from poster.photo import MAX_BYTES
from space.board_data import row_data
from space.engine import TOGETHER, Engine

PUBLIC = ("classify_photo", "leaderboard", "submission_status")
NO_FACE = "No face was found in this photo; use a larger or more frontal face, or set whole to true to classify the whole picture."
MAX_CHARACTERS = MAX_BYTES * 4 // 3 + 200  # of a photo in base64, with a data: prefix


def offer(engine: Engine, store: Store, board: Callable[[], Board]) -> None:
    """Publish the functions; the only endpoints of the app that are meant for programs."""

    def classify_photo(photo: str, model: str = "", whole: bool = False) -> dict:
        """Find the faces in a photo and name their expressions.

        Args:
            photo: a JPEG, PNG or WebP file in base64, at most 8 MB and 40 megapixels; a data: address is accepted too
            model: one of the models the Try page offers; empty for the default one
            whole: take the whole picture as one face, for pictures in which none is found

        Returns:
            model, detector, image (width, height), faces (largest first: box in pixels, probabilities, quality 0 to 1, problems), message without a face
        """
        with said():
            return classified(engine, decoded(photo), model, whole)

    def leaderboard(benchmark: str = "", status: str = "") -> dict:
        """The rows of the leaderboard, best first within each benchmark.

        Args:
            benchmark: such as raf-db or ferplus; empty for all
            status: measured, claimed or disputed; empty for all

        Returns:
            benchmarks (names) and rows (model, benchmark, accuracy, low, high in percent, tie group, status, source, link and more)
        """
        with said():
            return rows(board(), benchmark, status)

    def submission_status(job: str) -> dict:
        """How far the evaluation of a submission is.

        Args:
            job: the twelve hexadecimal digits that the submission was given

        Returns:
            state (queued, running, done, failed, cancelled), progress 0 to 1, position in the queue, message and more
        """
        with said():
            return asdict(job_lines(store, job=job)[0])

    gr.api(classify_photo, api_name="classify_photo", concurrency_id="model", concurrency_limit=TOGETHER)
    gr.api(leaderboard, api_name="leaderboard")
    gr.api(submission_status, api_name="submission_status")


def speak_json(demo: gr.Blocks) -> None:
    """After the launch: the MCP tools answer in JSON. Gradio writes a result as Python does (None, True), which no other program reads."""
    server = demo.mcp_server_obj
    if server is not None:
        written = server.types.TextContent
        server.postprocess_output_data = lambda data, _: [written(type="text", text=json.dumps(one, ensure_ascii=False)) for one in data]


class said:
    """Turns an InputError into the one kind of error whose text Gradio passes on."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            raise gr.Error(str(error), print_exception=False) from None


def decoded(photo: str) -> bytes:
    """Base64, with or without a data: prefix, to bytes. Raises InputError for anything else."""
    if not isinstance(photo, str) or not photo:
        raise InputError("The photo is missing; send a JPEG, PNG or WebP file in base64.")
    if len(photo) > MAX_CHARACTERS:
        raise InputError(f"The photo is larger than {MAX_BYTES // 2**20} MB; make it smaller and try again.")
    try:
        return base64.b64decode(photo.split(",", 1)[1] if photo.startswith("data:") else photo, validate=True)
    except (binascii.Error, IndexError, ValueError) as error:
        raise InputError("The photo is not base64; send a JPEG, PNG or WebP file in base64.") from error


def classified(engine: Engine, data: bytes, model: str = "", whole: bool = False) -> dict[str, Any]:
    """The object that ``python -m poster classify --json`` prints, for a photo's bytes, and what speaks against each face's answer."""
    answer = engine.answer(data, model, whole=whole)
    from poster.commands.classify import to_json

    said = to_json(answer.predictions, answer.model, answer.detector, answer.width, answer.height)
    for face, one in zip(said["faces"], answer.predictions, strict=True):
        face["problems"] = list(one.problems)
    return said if answer.predictions else {**said, "message": NO_FACE}


def rows(board: Board, benchmark: str = "", status: str = "") -> dict[str, Any]:
    """The board's rows of one benchmark and status, or all. Raises InputError for a word the board does not know."""
    if benchmark and benchmark not in board.benchmarks:
        raise InputError(f"The leaderboard has no such benchmark; it has {', '.join(board.benchmarks)}.")
    if status and status not in ("measured", "claimed", "disputed"):
        raise InputError("The status is measured, claimed or disputed.")
    chosen = [row for row in board.rows if benchmark in ("", row.benchmark) and status in ("", row.status)]
    return {"benchmarks": list(board.benchmarks), "rows": [row_data(row) for row in chosen]}
