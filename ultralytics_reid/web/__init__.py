"""A page to look, search and correct: the gallery in a browser, by `ultralytics-reid serve`."""

# Where it listens unless told otherwise; here, as the command line names them before the rest is loaded.
HOST, PORT = "127.0.0.1", 8765
