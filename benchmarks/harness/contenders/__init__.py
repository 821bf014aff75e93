"""Trackers to compare: the host's, this package's, BoxMOT's and Roboflow's, behind one interface."""
