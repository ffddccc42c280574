"""Start the app: read the settings, open the store, launch the pages; the model comes in behind them."""

from __future__ import annotations

import logging
import sys

from poster.errors import InputError
from space.settings import Settings, prepare_environment


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    for ours in ("space", "leaderboard"):
        logging.getLogger(ours).setLevel(logging.INFO)
    prepare_environment()
    try:
        settings = Settings.from_environment()
        from leaderboard.config import Config
        from space.ui import serve  # Gradio reads the environment when it is imported

        serve(settings, Config.from_environment())
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
