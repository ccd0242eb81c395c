"""One sitting on a GPU, in order of worth: `python -m benchmarks.gpu --session --budget SECONDS --out FILE`.

Every measurement is a row of one JSON document, which is replaced whole after each. A process of its own measures; if it dies,
hangs or breaks its GPU, that is a row as well, and another one goes on with the next measurement. What no longer fits the budget
is named as left out. Needs torch, torchvision, numpy and Pillow.
"""
