"""What the benchmark runs share: data, contenders, scores, and publishing."""
