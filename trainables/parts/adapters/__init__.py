"""Models of other libraries by their names there: `torchvision:resnet50`. Each library has a file of its own name."""
