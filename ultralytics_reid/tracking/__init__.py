"""The tracker: a BoT-SORT subclass and its connection to the host."""
