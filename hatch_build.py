"""What an editable install takes into site-packages: only the start-up hook, as the YAMLs are read in the checkout."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StartupHook(BuildHookInterface):
    """Puts `ultralytics_reid.pth` beside the path to the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files of an editable wheel, in place of the wheel target's `force-include`."""
        if version == "editable":
            build_data["force_include_editable"]["ultralytics_reid.pth"] = "ultralytics_reid.pth"
