"""The one exception that this package raises for bad input."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one line that names the file or argument, the value and the cure."""
