"""The sub-commands of ``python -m poster``, one file each: ``add_arguments(parser)`` and ``run(arguments)``.

``run`` returns the JSON answer and the same for people to read; the dispatcher prints one of the two.
"""
