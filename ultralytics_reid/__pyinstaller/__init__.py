"""Where PyInstaller finds this package's hook; see its documentation on the entry point `pyinstaller40`."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """List the folder of the hook."""
    return [str(Path(__file__).parent)]
