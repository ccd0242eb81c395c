"""The command line: one file for each command of python -m analysis; reproduce is run_search.py --reproduce."""
