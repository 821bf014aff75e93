"""MOTChallenge data: read strictly, tracked by anybody's tracker on the same inputs, scored by TrackEval."""
