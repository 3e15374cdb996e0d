"""The settings: declared, read from files and the environment, and checked before anything is read or sent."""
