"""A page to look, search and correct: the gallery in a browser, by `ultralytics-reid serve`."""
