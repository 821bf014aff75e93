"""Labeled crops on disk: the forms that the field uses, read and written."""
