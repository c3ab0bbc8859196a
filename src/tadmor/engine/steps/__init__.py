"""The steps of a run, one module each: load, compute, save, report. The order is in pipeline.py."""
