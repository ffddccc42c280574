"""What a user may read: one class per border, each message one sentence that says what was wrong, what is allowed, what to do."""


class InputError(ValueError):
    """The user's input is at fault. Its text is shown as it is; commands exit with 2."""


class CheckpointError(InputError):
    """A model file that is not opened, not recognised or not usable."""


class PhotoError(InputError):
    """A picture that is not read, or in which nothing can be classified."""


class DataError(InputError):
    """A data set that is not there, not complete or not what it claims to be."""
