"""Track a whole video in one go: tables, an annotated video and a report, all with the final ids."""
