"""Association on arrays: costs, gates, motion and the Hungarian assignment."""
