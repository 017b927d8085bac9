"""Says which version of the program this is, as it was installed."""

from importlib.metadata import version


def software() -> str:
    """The version, as in the status and in `grindvakt --version`."""
    return version("grindvakt")
