"""Lessons to reports: findings, figures, the runner, the report, the command."""
