"""What an editable install takes into site-packages: the start-up hook alone, as the YAMLs are read from the checkout."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StartupHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is no business of a build hook's
    """Puts `ultralytics_reid.pth` beside the path to the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files of an editable wheel, in place of the wheel target's `force-include`."""
        if version == "editable":
            build_data["force_include_editable"]["ultralytics_reid.pth"] = "ultralytics_reid.pth"
