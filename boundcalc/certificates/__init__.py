"""Certificates: bounds on the error of one network that need no complexity of a class."""
