"""Networks: those of the project, of three libraries, of a weight file, of a person's own code.

zoo           the networks on offer: names, cards, `zoo.load(name)`
network       what a loaded network is, takes and returns; the pass that shows that it works
own           the networks that come with this project
libraries     torchvision, timm, pytorchcv: what is asked of them
downloads     weight files from servers and from the Hugging Face hub
checkpoints   a stranger's weight file -> names and tensors; archives: torch.save's; limits: what it may claim
families      what networks are told by; layouts, published: the families; recognise: which one weights belong to
weight_files  a weight file -> a network
code          `package.module:factory`, or a module in memory -> a network
"""

from attention.models.network import Network, ZooError, preprocessing
