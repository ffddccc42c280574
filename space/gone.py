"""A preview that comes too late: a photo is removed from disk as soon as it is read, which may be before the browser has fetched its preview."""

from __future__ import annotations

import os
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILES = "/gradio_api/file="


class GoneUploads:
    """ASGI middleware: a request for an upload that is gone gets an empty answer (204), not Gradio's "forbidden" and an error in the console.

    Only names inside the upload folder count; everything else is Gradio's to answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "") if scope["type"] == "http" else ""
        if FILES not in path or not _is_upload(name := path.partition(FILES)[2]):
            await self.app(scope, receive, send)
            return
        begun = False

        async def passed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if _is_there(name):
                await self.app(scope, receive, passed)
                return
        except RuntimeError:  # Starlette's word for a file that went between its being found and its being sent
            if begun or _is_there(name):
                raise
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _is_upload(name: str) -> bool:
    return "\0" not in name and Path(get_upload_folder()).resolve() in Path(name).resolve().parents


def _is_there(name: str) -> bool:
    return os.path.exists(name)  # noqa: PTH110 - Path.exists raises for a name that is too long
