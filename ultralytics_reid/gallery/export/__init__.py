"""Files that the gallery writes: tables, figures, contact sheets."""
