"""The second pass over a gallery: which visits, of all cameras, show one individual."""
