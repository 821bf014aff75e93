"""Input of the revival and camera runs: recordings, with detections removed, and generated scenes."""
