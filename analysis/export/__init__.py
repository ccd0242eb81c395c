"""Use the winner: export it as a folder, train it again, average it with other networks, predict classes of images."""
