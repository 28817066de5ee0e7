"""Does `trace` find exactly the gates that are there? python -m benchmarks.discovery.

networks    which architectures of timm, torchvision and pytorchcv are asked, and how one is built
reference   the gates by another way: forward hooks on the classes that are known to apply some
measure     one network: what `trace` finds against the reference
modules     the blocks of the tests, written by hand with their gates
apart       the same in a process of its own
report      the rows as Markdown and back, and the totals that the README shows
"""
