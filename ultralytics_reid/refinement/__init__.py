"""The second pass: a log of what a tracker showed, and a solver that decides identities over the whole video."""
