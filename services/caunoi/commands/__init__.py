"""One file a command of `caunoi`, of the same name."""
