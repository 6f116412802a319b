"""Helpers behind the tutorial notebooks of Machine Learning in Genomics.

Six rooms, each of which imports only from those before it: `files`, `data`, `prepare`, `evaluate`, `train`, `course`.
"""

__version__ = "0.1.0"
