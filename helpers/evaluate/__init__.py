"""Scores and judgements: metrics of signals and of classes, robustness, averaged predictions, baselines, intervals."""
