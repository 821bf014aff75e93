"""What requests of the pages' own carry."""

from ultralytics_reid.web.security import Session

SESSION = Session("reid_8000", "t0ken")
BASE = "http://127.0.0.1:8000"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
