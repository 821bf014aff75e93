"""What a frozen program needs of this package: its tracker YAMLs and weights, and the modules it imports by name."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules  # type: ignore[import-untyped]

from ultralytics_reid.registration import YAML_FOLDER

# In a checkout the YAMLs lie beside the package.
datas = [(str(YAML_FOLDER), "ultralytics_reid/trackers"), *collect_data_files("ultralytics_reid")]
hiddenimports = collect_submodules("ultralytics_reid", filter=lambda name: "__pyinstaller" not in name)
