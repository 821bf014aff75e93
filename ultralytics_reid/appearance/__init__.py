"""How individuals look: embeddings, the learned metric, calibrated scores, evidence."""
