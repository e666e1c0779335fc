"""What others do with the same pages; each is a program of its own, and none imports syncd."""
