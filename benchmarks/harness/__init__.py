"""Code that the runs share: data, contenders, scores, and publishing."""
