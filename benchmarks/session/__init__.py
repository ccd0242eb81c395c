"""One sitting of measurements on a GPU: `python -m benchmarks.gpu --session --budget SECONDS --out FILE`.

The most valuable measurements come first. Each measurement adds rows to one JSON document, which is replaced whole after each
row. A separate process measures. If this process dies, hangs or breaks its GPU, the document gets a row that says so, and a new
process goes on with the next measurement. Measurements that no longer fit the budget are listed as left out. The program needs
torch, torchvision, numpy and Pillow.
"""
