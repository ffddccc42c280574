"""``python -m poster COMMAND``: the table of commands; each lives in `poster/commands` and is imported only when asked for."""

import sys

from poster.cli import dispatch

COMMANDS = {
    "classify": "the faces of a photo, their expressions and a heatmap",
    "inspect": "what is in a checkpoint: architecture, classes, labels, contract, warnings",
    "convert": "a checkpoint to safetensors with its contract, or back to its authors' layout",
    "train": "a model by a recipe, resumable",
    "ablate": "the same streams under each head and each depth of fusion, with the same pictures and seeds, resumable",
    "landmarks": "the small network whose 68 points are drawn on faces, taught by POSTER's",
}


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    return dispatch("poster", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
