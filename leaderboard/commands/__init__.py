"""One module a command: ``add_arguments(parser)`` and ``run(options) -> (answer for --json, text)``."""
