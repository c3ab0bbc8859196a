"""Tadmor rebuilds threatened monuments in 3D from the public's photographs."""

__version__ = "0.1.0"
