"""Evaluation of tracker output: recognized returns, false revivals, and Markdown tables."""
