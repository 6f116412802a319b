"""TensorFlow computes with two threads in these tests: set while tests are collected, since the first computation anywhere fixes it."""

from helpers.train.seeding import seed_everything

seed_everything(0, threads=2)
