"""Schedules of the learning rate over the share of training done, one in each file. models/README.md says how to add one."""
