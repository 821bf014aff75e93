"""Files exported from the gallery: tables, figures, contact sheets."""
