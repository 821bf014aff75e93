"""The pages, a module each, with their `ROUTES`; and `CHANGES`, those that `--read-only` leaves out."""
