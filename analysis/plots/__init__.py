"""The plots of a run: their values, their drawing, the process that draws. matplotlib is imported when one is drawn."""
