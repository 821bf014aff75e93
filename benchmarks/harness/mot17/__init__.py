"""The parts of the mot17 run: arguments, jobs, tables, plots, and files for the test server."""
