"""One module a command: ``add_arguments(parser)`` and ``run(options) -> (what --json prints, what people read)``."""
