"""Models of other libraries, by their names there: `torchvision:resnet50`. A file for each library, called as it is."""
