"""The data sets that have a name of their own, and how a folder of images is named. Loads nothing, for shells that complete."""

NAMED = ("digits", "cifar10", "cifar100")
FOLDER = "folder:"  # PATH follows
FORMS = (*NAMED, f"{FOLDER}PATH")
NAMES = ("auto", *FORMS)
