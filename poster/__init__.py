"""Facial expression recognition models of the POSTER family, the photos they look at and the data they learn from."""

from poster import _torchvision_guard

_torchvision_guard.install()
